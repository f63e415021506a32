package pages

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

// manifest says how the pages are installed like an app, and that links can be shared to them.
func (p *Pages) manifest(w http.ResponseWriter, r *http.Request) {
	icons := []map[string]string{{"src": p.assets["icon.svg"].path, "type": "image/svg+xml", "sizes": "any"}}
	for _, size := range []string{"192", "512"} {
		icons = append(icons, map[string]string{"src": p.assets["icon-"+size+".png"].path, "type": "image/png", "sizes": size + "x" + size, "purpose": "any maskable"})
	}
	if len(p.Brand.Logo) > 0 {
		icons = []map[string]string{{"src": "/logo", "type": "image/svg+xml", "sizes": "any"}}
	}
	body, err := json.Marshal(map[string]any{
		"id": "/", "name": p.Brand.Name, "short_name": p.Brand.Name, "start_url": "/", "scope": "/", "display": "standalone",
		"background_color": "#faf9f7", "theme_color": "#faf9f7", "icons": icons,
		"share_target": map[string]any{"action": "/open", "method": "GET", "params": map[string]string{"title": "title", "text": "text", "url": "url"}},
	})
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	send(w, "application/manifest+json", body)
}

// worker is the service worker: it keeps the shell, whose names stand at its head, and no page.
func (p *Pages) worker(w http.ResponseWriter, r *http.Request) {
	var shell []string
	for name, a := range p.assets {
		if slices.Contains([]string{"style.css", "app.js", "icon.svg"}, name) {
			shell = append(shell, a.path)
		}
	}
	slices.Sort(shell)
	head, err := json.Marshal(append(shell, "/offline"))
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	words, err := p.pushed()
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	body := fmt.Sprintf("const shell = %s;\nconst words = %s;\n%s", head, words, p.assets["worker.js"].body)
	w.Header().Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; script-src 'self'")
	send(w, "text/javascript; charset=utf-8", []byte(body))
}

// offline is the page that the service worker shows without a network.
func (p *Pages) offline(v *visit) error { return v.show(http.StatusOK, "offline", nil) }

// logo serves the operator's logo, as an image and nothing else.
func (p *Pages) logo(w http.ResponseWriter, r *http.Request) {
	if len(p.Brand.Logo) == 0 {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	send(w, "image/svg+xml", p.Brand.Logo)
}

// brand is a stylesheet of the operator's one colour.
func (p *Pages) brand(w http.ResponseWriter, r *http.Request) {
	send(w, "text/css; charset=utf-8", []byte(accentRules(p.Brand.Accent)))
}

func send(w http.ResponseWriter, contentType string, body []byte) {
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Type", contentType)
	w.Write(body)
}

// accentRules make a colour the accent.
func accentRules(accent string) string {
	if accent == "" {
		return ""
	}
	light, dark := accents(accent)
	return fmt.Sprintf(":root{--accent-light:%s;--on-accent-light:%s;--accent-dark:%s;--on-accent-dark:%s}\n", light, light.text(), dark, dark.text())
}

// accents returns a colour as it is on a light page, and on a dark one: darker or lighter until it is read well.
func accents(accent string) (light, dark colour) {
	light, _ = parseColour(accent)
	for light.contrast(colour{250, 249, 247}) < 4.6 {
		light = light.mixed(colour{}, 0.1)
	}
	for dark = light; dark.contrast(colour{0x13, 0x14, 0x13}) < 6.5; {
		dark = dark.mixed(colour{255, 255, 255}, 0.1)
	}
	return light, dark
}
