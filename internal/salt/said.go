package salt

import (
	"cmp"
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const (
	maxSaid   = 500 // characters
	secretsAs = "<redacted>"
)

var (
	paragraph = regexp.MustCompile(`(?is)<p\b[^>]*>(.*?)</p>`)
	tag       = regexp.MustCompile(`<[^>]*>`)
)

// said is the message of an answer that refuses: of a JSON object the first of detail,
// message, error and return that is a text, of a page its first paragraph, else the name of
// the status.
func (a answer) said() string {
	var object map[string]any
	if json.Unmarshal(a.body, &object) == nil {
		for _, name := range []string{"detail", "message", "error", "return"} {
			if text, ok := object[name].(string); ok && strings.TrimSpace(text) != "" {
				return text
			}
		}
	} else if p := paragraph.FindSubmatch(a.body); p != nil {
		if text := html.UnescapeString(tag.ReplaceAllString(string(p[1]), "")); strings.TrimSpace(text) != "" {
			return text
		}
	}
	return http.StatusText(a.status)
}

// brief shortens a Python traceback in text to what raised it, and what was raised.
func brief(text string) string {
	before, trace, ok := strings.Cut(text, "Traceback (most recent call last):")
	if !ok {
		return text
	}
	lines := strings.Split(strings.TrimSpace(trace), "\n")
	return before + lines[len(lines)-1]
}

// clean makes a text of elsewhere fit for a message: without secrets, on one line, at most
// 500 characters.
func (c *Client) clean(text string) string {
	if secret := c.secrets(); secret != nil {
		text = secret.ReplaceAllLiteralString(text, secretsAs)
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	if runes := []rune(text); len(runes) > maxSaid {
		text = string(runes[:maxSaid-1]) + "…"
	}
	return text
}

// secrets matches the password, that of the URL and the token, in every form in which a
// page, a URL or a traceback may show them; nil if there are none.
func (c *Client) secrets() *regexp.Regexp {
	secrets := []string{c.settings.Password}
	if u, err := url.Parse(c.settings.URL); err == nil {
		password, _ := u.User.Password()
		secrets = append(secrets, password)
	}
	c.mu.Lock()
	if c.session != nil {
		secrets = append(secrets, c.session.token)
	}
	c.mu.Unlock()
	var forms []string
	for _, s := range secrets {
		quoted, _ := json.Marshal(s)
		forms = append(forms, s, html.EscapeString(s), url.QueryEscape(s),
			url.UserPassword("", s).String()[1:], strings.Trim(string(quoted), `"`))
	}
	// The longest that fits is replaced.
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	var patterns []string
	for _, form := range slices.Compact(forms) {
		words := strings.Fields(strings.ToValidUTF8(form, "\uFFFD")) // the white space between may be shown as any other
		for i, w := range words {
			words[i] = regexp.QuoteMeta(w)
		}
		if len(words) > 0 {
			patterns = append(patterns, strings.Join(words, `\s+`))
		}
	}
	if patterns == nil {
		return nil
	}
	return regexp.MustCompile(strings.Join(patterns, "|"))
}
