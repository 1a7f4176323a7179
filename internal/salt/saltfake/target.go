package saltfake

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// matching lists the accepted keys that the master takes for a target's: what is wrong with
// a target matches none. A target that is missing, or a node group, which there is none of,
// is not known.
func (m *Master) matching(raw json.RawMessage, kind string) (ids []string, known bool) {
	if raw == nil || kind == "nodegroup" {
		return nil, false
	}
	var text string
	var list []string
	if json.Unmarshal(raw, &text) == nil {
		list = strings.Split(text, ",")
	} else {
		_ = json.Unmarshal(raw, &list)
	}
	match := map[string]func(id string) bool{
		"":           func(id string) bool { return glob(text, id) },
		"glob":       func(id string) bool { return glob(text, id) },
		"list":       func(id string) bool { return slices.Contains(list, id) },
		"pcre":       func(id string) bool { return pcre(text, id) },
		"grain":      func(id string) bool { return m.grain(text, id, glob) },
		"grain_pcre": func(id string) bool { return m.grain(text, id, pcre) },
		"compound":   func(id string) bool { return m.compound(text, id) },
	}[kind]
	ids = []string{}
	if match == nil {
		return ids, true
	}
	for _, id := range m.keys[Accepted] {
		if match(id) {
			ids = append(ids, id)
		}
	}
	return ids, true
}

// compound understands terms with "and", "or" and "not" between, without parentheses.
func (m *Master) compound(target, id string) bool {
	if strings.ContainsAny(target, "()") {
		return false
	}
	for either := range strings.SplitSeq(target, " or ") {
		all := true
		for term := range strings.SplitSeq(either, " and ") {
			term, not := strings.CutPrefix(strings.TrimSpace(term), "not ")
			all = all && m.term(term, id) != not
		}
		if all {
			return true
		}
	}
	return false
}

func (m *Master) term(term, id string) bool {
	kind, rest, typed := strings.Cut(term, "@")
	switch {
	case !typed:
		return glob(term, id)
	case kind == "G":
		return m.grain(rest, id, glob)
	case kind == "P":
		return m.grain(rest, id, pcre)
	case kind == "L":
		return slices.Contains(strings.Split(rest, ","), id)
	case kind == "E":
		return pcre(rest, id)
	}
	return false
}

// grain matches "name:value" with the grains that the master has cached.
func (m *Master) grain(target, id string, match func(pattern, s string) bool) bool {
	name, pattern, _ := strings.Cut(target, ":")
	if mi := m.minions[id]; mi != nil && mi.grains[name] != nil {
		return match(pattern, fmt.Sprint(mi.grains[name]))
	}
	return false
}

func glob(pattern, s string) bool {
	ok, err := path.Match(pattern, s)
	return err == nil && ok
}

// pcre matches at the beginning, as Python does.
func pcre(pattern, s string) bool {
	re, err := regexp.Compile("^(?:" + pattern + ")")
	return err == nil && re.MatchString(s)
}
