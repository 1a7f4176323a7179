// Package probe is test-only: a small schema with every shape of guarded field that the
// directive must serve, lists, mutations and panics among them.
package probe

//go:generate go tool gqlgen generate

// Thing is a node of an endless tree.
type Thing struct{ Name string }

// Child is the first of its children.
func (t *Thing) Child() *Thing { return &Thing{Name: t.Name + ".0"} }

// Children are two.
func (t *Thing) Children() []*Thing { return []*Thing{{Name: t.Name + ".0"}, {Name: t.Name + ".1"}} }
