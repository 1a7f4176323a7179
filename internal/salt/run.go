package salt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"halite/internal/fault"
)

const (
	maxTarget = 1024 // characters
	maxFun    = 128
)

var (
	targetTypes = []string{"glob", "list", "pcre", "grain", "nodegroup", "compound"}
	function    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*\.[A-Za-z_][A-Za-z0-9_]*$`)
	// keyword is at least what Salt itself takes for a keyword argument among the
	// positional ones, whose names may hold letters of any script, dots and hyphens.
	keyword = regexp.MustCompile(`^[\p{L}\p{Nl}\p{No}_][\p{L}\p{M}\p{N}_.-]*=`)
)

// Job is a command for minions.
type Job struct {
	Target     string // 1 to 1024 characters; for the type list, ids with commas between
	TargetType string // glob, list, pcre, grain, nodegroup or compound
	Fun        string // module.function, at most 128 characters
	Args       []string
	Kwargs     map[string]any // values that are JSON
	JID        string         // of NewJID, the job's alone
}

// Started is a job that the master has sent to its minions.
type Started struct {
	JID     string
	Minions []string // which the master takes for the target's; some may be offline
}

// Check returns a BAD_USER_INPUT that names the field which breaks a rule. Args may not be
// keyword arguments in disguise: Salt would take "runas=root" for one, and who may see the
// keyword arguments would not see it.
func (j Job) Check() error {
	switch length := utf8.RuneCountInString(j.Target); {
	case strings.TrimSpace(j.Target) == "":
		return fault.Input("target", "must not be empty")
	case length > maxTarget:
		return fault.Input("target", fmt.Sprintf("must have at most %d characters", maxTarget))
	case !slices.Contains(targetTypes, j.TargetType):
		return fault.Input("targetType", "must be one of "+strings.Join(targetTypes, ", "))
	case j.TargetType == "list" && len(ids(j.Target)) == 0:
		return fault.Input("target", "must name a minion")
	case len(j.Fun) > maxFun:
		return fault.Input("fun", fmt.Sprintf("must have at most %d characters", maxFun))
	case !function.MatchString(j.Fun):
		return fault.Input("fun", "must be of the form module.function")
	case j.JID != "" && !ownJID.MatchString(j.JID):
		return fault.Input("jid", "must be 20 digits")
	}
	for i, a := range j.Args {
		if keyword.MatchString(a) || strings.Contains(a, "__kwarg__") {
			return fault.Input(fmt.Sprintf("args[%d]", i), "looks like a keyword argument: use kwargs")
		}
	}
	for name := range j.Kwargs {
		if name == "" || strings.HasPrefix(name, "__") {
			return fault.Input("kwargs", "names must not be empty or begin with __")
		}
	}
	if _, err := json.Marshal(j.Kwargs); err != nil {
		return fault.Input("kwargs", "values must be JSON")
	}
	return nil
}

// Run checks j and sends it to its minions, which answer later: ask Job. It is
// BAD_USER_INPUT if j breaks a rule, and SALT_ERROR if no minion matches the target; the
// master itself tells a target that is malformed and one that matches none not apart.
func (c *Client) Run(ctx context.Context, j Job, begin Begin) (Started, error) {
	if err := j.Check(); err != nil {
		return Started{}, err
	}
	if j.JID == "" {
		return Started{}, errors.New("salt: a job without a jid")
	}
	raw, err := c.effect(ctx, j.lowstate(), dispatchTimeout, begin)
	if err != nil {
		return Started{}, err
	}
	var s Started
	switch err := json.Unmarshal(raw, &s); {
	case err != nil:
		return Started{}, c.misunderstood(err.Error())
	case isEmpty(raw):
		return Started{}, fault.New(fault.SaltError, "no minion matched the target: nothing was run")
	case s.JID != j.JID:
		return Started{}, c.misunderstood("not the jid that was sent")
	}
	return s, nil
}

func (j Job) lowstate() lowstate {
	var target any = j.Target
	if j.TargetType == "list" {
		target = ids(j.Target)
	}
	args, kwargs := j.Args, j.Kwargs
	if args == nil {
		args = []string{}
	}
	if kwargs == nil {
		kwargs = map[string]any{}
	}
	return lowstate{
		"client": "local_async", "tgt": target, "tgt_type": j.TargetType, "fun": j.Fun,
		"arg": args, "kwarg": kwargs, "jid": j.JID,
	}
}

// ids are the ids of a target of the type list.
func ids(target string) []string {
	var ids []string
	for id := range strings.SplitSeq(target, ",") {
		if id = strings.TrimSpace(id); id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// isEmpty says whether raw is an object without members.
func isEmpty(raw json.RawMessage) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal(raw, &object) == nil && object != nil && len(object) == 0
}
