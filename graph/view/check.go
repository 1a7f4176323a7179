package view

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// written are the types whose fields are written here, and what the fields are.
var written = map[string][]string{
	"AuditEntry":     append(slices.Sorted(maps.Keys(entryFields)), "leaf", "inclusionProof"),
	"AuditEntryEdge": edgeFields,
	"Leaf":           slices.Sorted(maps.Keys(leafFields)),
	"InclusionProof": append(slices.Sorted(maps.Keys(proofFields)), "checkpoint"),
	"Checkpoint":     slices.Sorted(maps.Keys(checkpointFields)),
}

// CheckSchema says where s asks for what lists that write themselves do not do. Their
// fields are those known here, without arguments, and without directives: a guard on
// such a field would never be asked.
func CheckSchema(s *ast.Schema) error {
	var errs []error
	for name, known := range written {
		t := s.Types[name]
		if t == nil {
			continue
		}
		for _, f := range t.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			if !slices.Contains(known, f.Name) {
				errs = append(errs, fmt.Errorf("%s.%s: nothing writes it", name, f.Name))
			}
			if len(f.Arguments) > 0 {
				errs = append(errs, fmt.Errorf("%s.%s: its arguments would not be read", name, f.Name))
			}
			for _, d := range f.Directives {
				if d.Name != "deprecated" {
					errs = append(errs, fmt.Errorf("%s.%s: @%s would not be asked", name, f.Name, d.Name))
				}
			}
		}
	}
	return errors.Join(errs...)
}
