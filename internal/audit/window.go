package audit

// Window asks for entries that stand next to one another among those of a filter, by the
// entries around them instead of an offset.
type Window struct {
	Filter Filter
	// Below and Above are ids of entries that Filter selects, or to which it was searched
	// for: only entries with lower ids (older ones), and only entries with higher ids (newer
	// ones). 0 = no such bound.
	Below, Above int64
	Limit        int  // entries at most, MinLimit to MaxLimit; 0 = none are asked for
	Oldest       bool // the oldest entries between the bounds instead of the newest
	Counted      bool // whether Page.Total is wanted
	Brief        bool // as that of a Query
}

// Windowed is an answer to a Window. Whichever end the entries are taken from, the newest
// is the first. Total counts the filter's entries, whatever the bounds. All of it is of
// one moment.
type Windowed struct {
	Page
	// Whether the filter selects entries that are newer than all of the window's, and
	// older ones. An empty window lies directly at the bound that left nothing of it.
	Newer, Older bool
}
