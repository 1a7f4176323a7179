package audit

import (
	"time"

	"github.com/google/uuid"
)

// Step is how long a bucket of Stats is.
type Step string

// The steps, in UTC. A week begins on Monday.
const (
	Minute      Step = "minute"
	QuarterHour Step = "quarter_hour"
	Hour        Step = "hour"
	Day         Step = "day"
	Week        Step = "week"
	Month       Step = "month"
)

// Steps are all steps, the shortest first.
var Steps = []Step{Minute, QuarterHour, Hour, Day, Week, Month}

// Bounds of Stats and Facets.
const (
	MaxBuckets  = 500
	FineBuckets = 120 // a step that is chosen makes no more of them
	MaxFacets   = 100
	MaxActions  = 1000 // of Actions
)

// Floor is the begin of the bucket that t is in.
func (s Step) Floor(t time.Time) time.Time {
	t = t.UTC()
	y, m, d := t.Date()
	switch s {
	case Minute:
		return t.Truncate(time.Minute)
	case QuarterHour:
		return t.Truncate(15 * time.Minute)
	case Hour:
		return t.Truncate(time.Hour)
	case Week:
		return time.Date(y, m, d-(int(t.Weekday())+6)%7, 0, 0, 0, 0, time.UTC)
	case Month:
		return time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
	default: // Day
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	}
}

// next is the begin of the bucket behind the one that begins at t.
func (s Step) next(t time.Time) time.Time {
	switch s {
	case Minute:
		return t.Add(time.Minute)
	case QuarterHour:
		return t.Add(15 * time.Minute)
	case Hour:
		return t.Add(time.Hour)
	case Week:
		return t.AddDate(0, 0, 7)
	case Month:
		return t.AddDate(0, 1, 0)
	default: // Day
		return t.AddDate(0, 0, 1)
	}
}

// Bucket counts the entries of a filter in a time: at >= Since, at < Until.
type Bucket struct {
	Since, Until    time.Time
	Allowed, Denied int64
}

// Buckets returns empty buckets, one behind the other, from the one that first is in to
// the one that last is in. It reports false if that makes more than limit.
func (s Step) Buckets(first, last time.Time, limit int) (out []Bucket, ok bool) {
	for t := s.Floor(first); !t.After(last); {
		if len(out) == limit {
			return nil, false
		}
		next := s.next(t)
		out = append(out, Bucket{Since: t, Until: next})
		t = next
	}
	return out, true
}

// Stats is how the entries of a filter are spread over time, the oldest bucket first, from
// the first entry that its times select to the last one. In a search the newest entries are
// counted first; Partial says that older ones are not.
type Stats struct {
	Step    Step
	Buckets []Bucket
	Search
}

// Facet is what Facets counts by.
type Facet string

// What there is.
const (
	ByUser     Facet = "user"
	ByAction   Facet = "action"
	ByResource Facet = "resource"
)

// Facets are the values that the entries of a filter have most often, the most frequent
// first. Partial says that only the newest entries were counted.
type Facets struct {
	Values []FacetValue
	Search
}

// FacetValue is a value and how many entries have it.
type FacetValue struct {
	User            uuid.NullUUID // ByUser; not Valid: nobody
	Name            string        // the user's, in the newest entry
	Text            string        // ByAction, ByResource
	Allowed, Denied int64
}
