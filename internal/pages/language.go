package pages

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/web"
)

// languages are the languages of the pages, the first of which is spoken where no other is asked for.
type languages []*language

// language is one language, with the pages in it.
type language struct {
	tag       string // as in HTML
	messages  map[string]string
	sentences func() []noted // that the wallet writes about requests
	pages     map[string]func() (*template.Template, error)
}

// Names of the languages, each in itself. The first is the default.
var tags = []string{"en", "zh", "ja"}

func readLanguages(files assets, brand Brand) (languages, error) {
	var all languages
	for _, tag := range tags {
		text, err := web.Messages.ReadFile("messages/" + tag + ".json")
		if err != nil {
			return nil, fmt.Errorf("reading the messages: %w", err)
		}
		l := &language{tag: tag, pages: map[string]func() (*template.Template, error){}}
		if err := json.Unmarshal(text, &l.messages); err != nil {
			return nil, fmt.Errorf("reading the messages of %s: %w", tag, err)
		}
		l.sentences = sync.OnceValue(func() []noted { return readNotes(l.messages) })
		if err := l.findPages(files, brand); err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// findPages finds the templates: each page is the layout, the parts, and a file of its own. A page is parsed when it is
// first shown: all pages in all languages are 10 MB, and most services show few of them.
func (l *language) findPages(files assets, brand Brand) error {
	base := sync.OnceValues(func() (*template.Template, error) {
		return template.New("").Funcs(l.functions(files, brand)).ParseFS(web.Templates, "templates/parts/*.html")
	})
	names, err := fs.Glob(web.Templates, "templates/*.html")
	if err != nil {
		return err
	}
	for _, name := range names {
		l.pages[strings.TrimSuffix(path.Base(name), ".html")] = sync.OnceValues(func() (*template.Template, error) {
			parts, err := base()
			if err != nil {
				return nil, err
			}
			page, err := parts.Clone()
			if err != nil {
				return nil, err
			}
			return page.ParseFS(web.Templates, name)
		})
	}
	return nil
}

// functions are what templates call.
func (l *language) functions(files assets, brand Brand) template.FuncMap {
	return template.FuncMap{
		"t":    l.text,
		"note": l.note,
		"has":  func(key string) bool { _, there := l.messages[key]; return there },
		"lang": func() string { return l.tag },
		"asset": func(name string) (string, error) {
			a, there := files[name]
			if !there {
				return "", fmt.Errorf("there is no asset %s", name)
			}
			return a.path, nil
		},
		"fields":    func(id string, any bool, of rulesPage) ruleFields { return ruleFields{id, any, of} },
		"decisions": func() []string { return []string{"allow", "ask", "deny"} },
		"iso":       func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"when":      l.when,
		"short":     short,
		"bare":      did.Bare,
		"spell":     func(code string) string { return strings.Join(strings.Split(code, ""), " ") },
		"brand":     func() string { return brand.Name },
		"accented":  func() bool { return brand.Accent != "" },
		"logo":      func() bool { return len(brand.Logo) > 0 },
	}
}

// text returns a message with the words in braces filled in: {1} is the first of them. A key without a message is an
// error: a test looks for each.
func (l *language) text(key string, words ...any) (string, error) {
	text, there := l.messages[key]
	if !there {
		return "", fmt.Errorf("there is no message %q in %s", key, l.tag)
	}
	for i, word := range words {
		text = strings.ReplaceAll(text, "{"+strconv.Itoa(i+1)+"}", fmt.Sprint(word))
	}
	return text, nil
}

// when writes a time for who has no scripts: scripts write it in the reader's own time.
func (l *language) when(t time.Time) string {
	if l.tag == "en" {
		return t.UTC().Format("2 Jan 2006, 15:04 UTC")
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

// short is an address with its middle left out.
func short(address string) string {
	address = did.Bare(address)
	if len(address) <= 14 {
		return address
	}
	return address[:7] + "…" + address[len(address)-5:]
}

// languageCookie holds the language that was chosen.
const languageCookie = "lang"

// of returns the language of a request: the one that was chosen, that the address asks for, or that the browser prefers.
func (all languages) of(r *http.Request) *language {
	if c, err := r.Cookie(languageCookie); err == nil {
		if l := all.find(c.Value); l != nil {
			return l
		}
	}
	if l := all.find(r.URL.Query().Get("locale")); l != nil {
		return l
	}
	best, weight := all[0], 0.0
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		w := 1.0
		if q, weighted := strings.CutPrefix(strings.TrimSpace(q), "q="); weighted {
			w, _ = strconv.ParseFloat(q, 64)
		}
		if l := all.find(tag); l != nil && w > weight {
			best, weight = l, w
		}
	}
	return best
}

// find returns the language of a tag, as zh of zh-TW; nil if it is none of ours.
func (all languages) find(tag string) *language {
	tag, _, _ = strings.Cut(strings.ToLower(tag), "-")
	for _, l := range all {
		if l.tag == tag {
			return l
		}
	}
	return nil
}

// setLanguage notes the language that was chosen.
func (p *Pages) setLanguage(v *visit) error {
	if l := p.languages.find(v.form.text("language")); l != nil {
		c := cookie(v.r)
		c.Name, c.Value, c.MaxAge = languageCookie, l.tag, 365*24*3600
		http.SetCookie(v.w, c)
	}
	return v.redirect(local(v.form.text("next")))
}

// frame is what each page is shown with.
type frame struct {
	Page     string // name of the template
	Path     string // of the page, for a form that comes back to it
	Done     string // what was done, as its message is called; "" for nothing
	SignedIn bool
	Touch    bool // what decides takes a touch
	Dev      bool
	Wallet   string // its name, or its address cut
	Named    bool   // the wallet has a name
	Tags     []string
	Data     any
}

// walletName is the name of the caller's wallet, or its address cut.
func walletName(c *auth.Caller) string {
	if name := c.Wallet.Settings().Name; name != "" {
		return name
	}
	return short(c.WalletID)
}

// show writes a page.
func (all languages) show(v *visit, status int, page string, data any) error {
	f := frame{Page: page, Path: v.r.URL.RequestURI(), Dev: v.pages.Dev, Tags: tags, Data: data}
	if v.r.Method != http.MethodGet {
		f.Path = "/"
	}
	if _, there := v.lang.messages["done."+v.r.URL.Query().Get("done")]; there {
		f.Done = "done." + v.r.URL.Query().Get("done")
	}
	if v.caller != nil {
		f.SignedIn, f.Touch = true, v.caller.Passkey != "" || v.caller.Wallet.Settings().Passkey
		f.Wallet, f.Named = walletName(v.caller), v.caller.Wallet.Settings().Name != ""
	}
	parsed, err := v.lang.pages[page]()
	if err != nil {
		return fmt.Errorf("reading the page %s: %w", page, err)
	}
	var b bytes.Buffer
	if err := parsed.ExecuteTemplate(&b, "layout", f); err != nil {
		return fmt.Errorf("writing the page %s: %w", page, err)
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.lang.tag)
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Set("Vary", "Cookie, Accept-Language")
	v.w.WriteHeader(status)
	v.w.Write(b.Bytes())
	return nil
}
