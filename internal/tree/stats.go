package tree

import "time"

// Stats is what a keeper knows of itself, whether or not the database answers.
type Stats struct {
	Signs  bool  // this server is the one that signs: it has keys, and holds the lease
	Found  int   // what was wrong with the log when this server checked it last
	Walked int64 // the walk through all entries, newest to oldest, has come to here; 0: it has not begun
}

// Stats asks nobody.
func (k *Keeper) Stats() Stats {
	k.mu.Lock()
	defer k.mu.Unlock()
	return Stats{
		Signs: len(k.Keys) > 0 && !k.foreign && time.Now().Before(k.holds),
		Found: len(k.found), Walked: k.walked,
	}
}
