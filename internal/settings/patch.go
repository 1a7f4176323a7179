package settings

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"halite/internal/fault"
	"halite/internal/seal"
)

// Lengths, in characters.
const (
	maxURL      = 2048
	maxName     = 255
	maxPassword = 1024
)

const defaultEAuth = "pam"

var eauths = []string{"pam", "sharedsecret", "ldap", "file", "auto"}

// Patch says what Update changes. Nil leaves a field as it is. Empty clears the url, the
// username and the password, and stands for the default of eauth, pam.
type Patch struct {
	URL, Username, Password, EAuth *string
	Verify                         *bool
}

func (p Patch) apply(to Stored, sealer *seal.Sealer) Stored {
	if p.URL != nil {
		to.URL = strings.TrimRight(*p.URL, "/")
	}
	if p.Username != nil {
		to.Username = *p.Username
	}
	if p.Password != nil {
		to.SealedPassword = ""
		if *p.Password != "" {
			to.SealedPassword = sealer.Seal(*p.Password)
		}
	}
	if p.EAuth != nil {
		if to.EAuth = *p.EAuth; to.EAuth == "" {
			to.EAuth = defaultEAuth
		}
	}
	if p.Verify != nil {
		to.Verify = *p.Verify
	}
	return to
}

func (p Patch) check() error {
	if p == (Patch{}) {
		return fault.Input("input", "must have at least one field")
	}
	if p.URL != nil && *p.URL != "" {
		if err := checkURL(*p.URL); err != nil {
			return err
		}
	}
	if p.Username != nil {
		if err := checkText("username", *p.Username, maxName); err != nil {
			return err
		}
	}
	if p.Password != nil {
		if err := checkText("password", *p.Password, maxPassword); err != nil {
			return err
		}
	}
	if p.EAuth != nil && *p.EAuth != "" && !slices.Contains(eauths, *p.EAuth) {
		return fault.Input("eauth", "must be one of "+strings.Join(eauths, ", "))
	}
	return nil
}

func checkText(field, value string, most int) error {
	switch {
	case utf8.RuneCountInString(value) > most:
		return fault.Input(field, fmt.Sprintf("must have at most %d characters", most))
	case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		return fault.Input(field, "must be text without NUL")
	}
	return nil
}

// checkURL takes what salt-api can be under. A name or a password in it would be stored
// in clear.
func checkURL(text string) error {
	if err := checkText("url", text, maxURL); err != nil {
		return err
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return fault.Input("url", "must be a URL such as https://salt.example.org:8000")
	case u.User != nil:
		return fault.Input("url", "must not hold a name or a password: they have fields of their own")
	case strings.ContainsAny(text, "?#"):
		return fault.Input("url", "must end with the path")
	}
	return nil
}
