package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"
	"time"

	"trunkline/api/web"
	"trunkline/internal/version"
)

//go:embed templates/*.html
var templateFiles embed.FS

// templates are the pages' templates by name, each within the layout.
var templates = func() map[string]*template.Template {
	layout := template.Must(template.New("layout.html").Funcs(functions).ParseFS(templateFiles, "templates/layout.html"))
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		panic(err) // the pattern is right
	}
	all := map[string]*template.Template{}
	for _, name := range names {
		if base := strings.TrimSuffix(path.Base(name), ".html"); base != "layout" {
			all[base] = template.Must(template.Must(layout.Clone()).ParseFS(templateFiles, name))
		}
	}
	return all
}()

// functions are what templates may call.
var functions = template.FuncMap{
	"asset": assetPath,
	"time":  showTime,
	"rfc":   web.Time,
	"bytes": showBytes,
}

// showTime is a time as pages have it: with its zone.
func showTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// showBytes is an amount of bytes for people.
func showBytes(n uint64) string { return fmt.Sprintf("%.1f GB", float64(n)/1e9) }

// view is what a template gets.
type view struct {
	Title     string
	SignedIn  bool
	Who       string // the session's holder
	Where     string // the domains that they see
	Links     []link
	FormToken string
	RequestID string
	Version   string
	Page      any // what the page's show returned
}

// link is an entry of the navigation.
type link struct {
	Path, Name string
	Current    bool
}

// render writes a page.
func (s *Service) render(r *web.Request, status int, name, title string, data any) {
	v := view{Title: title, RequestID: r.ID, Version: version.This(), Page: data}
	if r.Session.ID != "" {
		v.SignedIn, v.Who, v.FormToken = true, r.Caller.Name, r.FormToken()
		if v.Where = r.Caller.Domains.Names(); r.Caller.Domains.All {
			v.Where = "all domains"
		}
		for _, p := range pages {
			if !p.unlisted && (p.scope == "" || r.Caller.May(p.scope)) {
				v.Links = append(v.Links, link{Path: home + p.path, Name: p.title, Current: r.HTTP().URL.Path == home+p.path})
			}
		}
	}
	var page bytes.Buffer
	if err := templates[name].ExecuteTemplate(&page, "layout.html", v); err != nil {
		r.Broken(err)
		return
	}
	r.Data(status, "text/html; charset=utf-8", page.Bytes())
}
