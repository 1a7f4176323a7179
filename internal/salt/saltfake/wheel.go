package saltfake

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// wheel calls a function of keys. It fails within an answer 200. A user who may not is told
// nothing if he does not wait for the result, and nothing is done.
func (m *Master) wheel(s *session, fun string, c chunk, allowed, async bool) any {
	jid := m.newJID()
	tag := "salt/wheel/" + jid
	var result any
	failed := ""
	if allowed {
		m.remember(m.newJID(), "wheel."+fun)
		result, failed = m.keyFunction(fun, c)
	}
	if async {
		return dict{{"tag", tag}, {"jid", jid}}
	}
	if failed != "" {
		result = "Exception occurred in wheel " + fun + ": Traceback (most recent call last):\n" + failed + "\n"
	}
	return dict{{"tag", tag}, {"data", dict{
		{"fun", "wheel." + fun},
		{"jid", jid},
		{"tag", tag},
		{"user", s.user},
		{"_stamp", time.Now().UTC().Format("2006-01-02T15:04:05.000000")},
		{"return", result},
		{"success", failed == ""},
	}}}
}

// keyParams are the arguments of the functions of keys.
var keyParams = map[string][]string{
	"key.list_all": {}, "key.list": {"match"}, "key.name_match": {"match"}, "key.finger": {"match"},
	"key.accept": {"match", "include_rejected", "include_denied"}, "key.accept_dict": {"match", "include_rejected", "include_denied"},
	"key.reject": {"match", "include_accepted", "include_denied"},
	"key.delete": {"match"}, "key.delete_dict": {"match"},
}

// keyFunction calls a function of keys, or says how it fails.
func (m *Master) keyFunction(fun string, c chunk) (result any, failed string) {
	params, known := keyParams[fun]
	switch {
	case !known:
		return nil, "salt.exceptions.CommandExecutionError: '" + fun + "' is not available."
	case slices.Contains(params, "match") && c["match"] == nil:
		return nil, "salt.exceptions.SaltInvocationError: " + strings.TrimPrefix(fun, "key.") + " takes at least 1 argument (0 given)"
	}
	for name := range c {
		if name != "client" && name != "fun" && !slices.Contains(params, name) {
			return nil, "salt.exceptions.SaltInvocationError: '" + name + "' is an invalid keyword argument for 'salt.loaded.int.wheel." + fun + "'"
		}
	}
	switch fun {
	case "key.list_all":
		return append(m.inBuckets(allBuckets, func(Bucket, string) bool { return true }), member{"local", []string{"master.pem", "master.pub"}}), ""
	case "key.list":
		return m.list(c.text("match")), ""
	case "key.finger":
		return m.fingers(matcher(c["match"])), ""
	case "key.accept", "key.accept_dict":
		m.move(c, Accepted, map[Bucket]string{Rejected: "include_rejected", Denied: "include_denied"})
	case "key.reject":
		m.move(c, Rejected, map[Bucket]string{Accepted: "include_accepted", Denied: "include_denied"})
	case "key.delete", "key.delete_dict":
		match := matcher(c["match"])
		for _, b := range allBuckets {
			m.keys[b] = slices.DeleteFunc(m.keys[b], func(id string) bool { return match(b, id) })
		}
		return dict{}, ""
	}
	match := matcher(c["match"])
	if strings.HasSuffix(fun, "_dict") {
		match = anywhere(c["match"])
	}
	return nonEmpty(m.inBuckets(allBuckets, match)), ""
}

// move moves the keys that match to a bucket: those that are pending, and those of the
// buckets whose flag is set.
func (m *Master) move(c chunk, to Bucket, flags map[Bucket]string) {
	match := matcher(c["match"])
	for _, from := range allBuckets {
		if from == to || from != Pending && !truthy(c[flags[from]]) {
			continue
		}
		for _, id := range slices.Clone(m.keys[from]) {
			if match(from, id) && m.take(from, id) {
				m.put(to, id)
			}
		}
	}
}

// list is the answer of key.list.
func (m *Master) list(which string) dict {
	b, known := map[string][]Bucket{
		"accepted": {Accepted}, "unaccepted": {Pending}, "pre": {Pending}, "rejected": {Rejected}, "denied": {Denied}, "all": allBuckets,
	}[which]
	if !known {
		return dict{}
	}
	keys := m.inBuckets(b, func(Bucket, string) bool { return true })
	if which == "all" {
		keys = append(keys, member{"local", []string{"master.pem", "master.pub"}})
	}
	return keys
}

// fingers is the answer of key.finger.
func (m *Master) fingers(match func(Bucket, string) bool) dict {
	all := dict{}
	for _, b := range allBuckets {
		one := dict{}
		for _, id := range m.keys[b] {
			if match(b, id) {
				one = append(one, member{id, strings.ReplaceAll(fmt.Sprintf("% x", sha256.Sum256([]byte(id))), " ", ":")})
			}
		}
		if len(one) > 0 {
			all = append(all, member{string(b), one})
		}
	}
	return all
}

// inBuckets lists the keys that match, by bucket.
func (m *Master) inBuckets(buckets []Bucket, match func(Bucket, string) bool) dict {
	all := dict{}
	for _, b := range buckets {
		ids := []string{}
		for _, id := range m.keys[b] {
			if match(b, id) {
				ids = append(ids, id)
			}
		}
		all = append(all, member{string(b), ids})
	}
	return all
}

func nonEmpty(d dict) dict {
	return slices.DeleteFunc(d, func(m member) bool { return len(m.value.([]string)) == 0 })
}

// matcher reads an argument match: a pattern, several with commas between, a list of
// patterns, or exact ids by bucket.
func matcher(raw json.RawMessage) func(Bucket, string) bool {
	var text string
	var list []string
	var exact map[Bucket][]string
	switch {
	case json.Unmarshal(raw, &text) == nil:
		list = strings.Split(text, ",")
	case json.Unmarshal(raw, &exact) == nil:
		return func(b Bucket, id string) bool { return slices.Contains(exact[b], id) }
	default:
		_ = json.Unmarshal(raw, &list)
	}
	return func(_ Bucket, id string) bool {
		return slices.ContainsFunc(list, func(p string) bool { return glob(p, id) })
	}
}

// anywhere matches the exact ids of raw in every bucket.
func anywhere(raw json.RawMessage) func(Bucket, string) bool {
	match := matcher(raw)
	return func(_ Bucket, id string) bool {
		return slices.ContainsFunc(allBuckets, func(b Bucket) bool { return match(b, id) })
	}
}

// truthy is how Python sees raw: the text "false" is true.
func truthy(raw json.RawMessage) bool {
	return !slices.Contains([]string{"", "false", "null", "0", `""`, "[]", "{}"}, string(raw))
}
