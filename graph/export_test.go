package graph

// What the tests of the directive put together with a schema of their own.
var (
	NewServer   = newServer
	RequirePerm = requirePerm
	CheckGuards = checkGuards
	Expand      = expand
)
