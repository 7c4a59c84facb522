package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/version"
)

//go:embed templates/*.html
var templateFiles embed.FS

// templates are the pages' templates by name, each within the layout. They are never executed themselves, since what was
// executed has no copies.
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

// executable is a copy of a page's templates that one request at a time executes, with times of its zone. To make one takes
// longer than a page: it is read through for what stands where, so that what a page shows is inert there.
type executable struct {
	*template.Template
	zone *time.Location
}

// executables are those that no request has, by the page's name.
var executables = func() map[string]*sync.Pool {
	all := map[string]*sync.Pool{}
	for name, of := range templates {
		all[name] = &sync.Pool{New: func() any {
			e := &executable{Template: template.Must(of.Clone())} // it was never executed
			e.Funcs(template.FuncMap{"time": func(t time.Time) string { return showTimeIn(e.zone)(t) }})
			return e
		}}
	}
	return all
}()

// functions are what templates may call.
var functions = template.FuncMap{
	"asset":    assetPath,
	"time":     showTimeIn(time.UTC), // that of the page's zone once it is known
	"own":      showOwnTime,
	"rfc":      web.Time,
	"at":       timeAt,
	"bytes":    showBytes,
	"clip":     clipped,
	"span":     spanOf,
	"progress": progressOf,
	"percent":  percent,
	"driftIs":  driftIs,
	"value":    valueOf,
	"size":     showSize,
	"clipWhat": func(text string) string { return clippedTo(text, maxWhat) },
	"exactly":  exactly,
}

// showBytes is an amount of bytes for people.
func showBytes(n uint64) string { return fmt.Sprintf("%.1f GB", float64(n)/1e9) }

// exactly is a number with all its digits.
func exactly(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

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
	Zone      *time.Location // of the times
	Live      bool           // the page has a part that is kept up to date
	Reading   bool           // it is a page, and no answer to a form
	Here      string         // its path
	Params    params.Values  // those of its address
	Page      any            // what the page's show returned
}

// link is an entry of the navigation.
type link struct {
	Path, Name string
	Current    bool
}

// viewOf is what a template gets for the request.
func (s *Service) viewOf(r *web.Request, title string, data any) view {
	zone, err := zoneOf(r)
	if err != nil {
		zone = time.UTC // the page says what is wrong with it
	}
	v := view{Title: title, RequestID: r.ID, Version: version.This(), Zone: zone, Here: r.HTTP().URL.Path, Params: r.Params, Page: data}
	v.Reading = r.HTTP().Method == http.MethodGet
	if r.Session.ID == "" {
		return v
	}
	v.SignedIn, v.Who, v.FormToken = true, r.Caller.Name, r.FormToken()
	if v.Where = r.Caller.Domains.Names(); r.Caller.Domains.All {
		v.Where = "all domains"
	}
	for _, p := range pages {
		if !p.unlisted && p.admits(r) == nil && (p.scope == "" || r.Caller.May(p.scope)) {
			at := home + p.path
			v.Links = append(v.Links, link{Path: at, Name: p.title, Current: v.Here == at || p.path != "" && strings.HasPrefix(v.Here, at+"/")})
		}
	}
	return v
}

// write executes a template of a page's file, with times of the page's zone.
func (s *Service) write(to io.Writer, template, file string, v view) error {
	e := executables[file].Get().(*executable)
	defer executables[file].Put(e)
	e.zone = v.Zone
	return e.ExecuteTemplate(to, template, v)
}

// render writes a page.
func (s *Service) render(r *web.Request, status int, name string, v view) {
	var page bytes.Buffer
	if err := s.write(&page, "layout.html", name, v); err != nil {
		r.Broken(err)
		return
	}
	r.Data(status, "text/html; charset=utf-8", page.Bytes())
}
