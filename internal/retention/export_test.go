package retention

// For tests.
var (
	EnsureArchive = ensureArchive
	ArchiveName   = archiveName
	BlockLines    = int64(blockLines)
)
