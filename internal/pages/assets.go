package pages

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"

	"walletd/web"
)

// assets are the files that browsers load as they are, by name.
type assets map[string]asset

type asset struct {
	body        []byte
	contentType string
	path        string // under which it is served: it names the content, so that it never changes
}

func readAssets() (assets, error) {
	all := assets{}
	err := fs.WalkDir(web.Assets, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := web.Assets.ReadFile(name)
		if err != nil {
			return err
		}
		base := path.Base(name)
		sum := sha256.Sum256(body)
		all[base] = asset{body: body, contentType: contentType(base), path: "/assets/" + hex.EncodeToString(sum[:6]) + "/" + base}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the assets of the pages: %w", err)
	}
	return all, nil
}

// contentType is that of a file by its name, whatever the machine's tables say.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	}
	return "text/plain; charset=utf-8"
}

// asset serves a file under the path that names its content. Modules import each other by relative paths, so any hash
// is answered; one that is not the file's own is not kept by browsers.
func (p *Pages) asset(w http.ResponseWriter, r *http.Request) {
	v := &visit{r: r}
	a, there := p.assets[v.name("name")]
	if !there {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	if a.path == r.URL.Path {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	h.Set("Content-Type", a.contentType)
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	w.Write(a.body)
}
