package api

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// module is this module's path, and root where its packages are from here.
const module, root = "trunkline", ".."

// sources are what reflection does not see of a type of this module: its comments, the names of its
// fields' types, and its constants. Keys are as in trunkline/tasks.Progress.Total.
type sources struct {
	t          testing.TB
	read       map[string]bool // import paths
	comments   map[string]string
	fieldTypes map[string]string
	constants  map[string][]any
}

func newSources(t testing.TB) *sources {
	return &sources{t: t, read: map[string]bool{}, comments: map[string]string{}, fieldTypes: map[string]string{}, constants: map[string][]any{}}
}

// keyOf is the key of the type, whose package is read for it.
func (s *sources) keyOf(t reflect.Type) string {
	path := t.PkgPath()
	if dir, ours := strings.CutPrefix(path, module+"/"); ours && !s.read[path] {
		s.read[path] = true
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		if err != nil {
			s.t.Fatal(err)
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			if err != nil {
				s.t.Fatal(err)
			}
			for _, declaration := range file.Decls {
				if d, ok := declaration.(*ast.GenDecl); ok {
					s.take(path, d)
				}
			}
		}
	}
	return path + "." + t.Name()
}

func (s *sources) take(path string, d *ast.GenDecl) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			key := path + "." + spec.Name.Name
			s.comments[key] = sentence(spec.Name.Name, d.Doc)
			if fields, ok := spec.Type.(*ast.StructType); ok {
				s.takeFields(key, fields)
			}
		case *ast.ValueSpec:
			of, typed := spec.Type.(*ast.Ident)
			for _, value := range spec.Values {
				if literal, ok := value.(*ast.BasicLit); ok && typed && d.Tok == token.CONST && literal.Kind == token.STRING {
					text, err := strconv.Unquote(literal.Value)
					if err != nil {
						s.t.Fatal(err)
					}
					s.constants[path+"."+of.Name] = append(s.constants[path+"."+of.Name], text)
				}
			}
		}
	}
}

func (s *sources) takeFields(key string, of *ast.StructType) {
	for _, field := range of.Fields.List {
		for _, name := range field.Names {
			comment := field.Doc
			if comment == nil {
				comment = field.Comment
			}
			s.comments[key+"."+name.Name] = sentence(name.Name, comment)
			s.fieldTypes[key+"."+name.Name] = types.ExprString(field.Type)
		}
	}
}

// sentence is a comment without the name that it begins with, and "" of none.
func sentence(name string, comment *ast.CommentGroup) string {
	text := strings.Join(strings.Fields(comment.Text()), " ")
	for _, verb := range []string{" is ", " are ", " "} {
		if rest, ok := strings.CutPrefix(text, name+verb); ok {
			text = rest
			break
		}
	}
	if text == "" {
		return ""
	}
	if word, _, _ := strings.Cut(text, " "); !strings.ContainsAny(word, ":@_") { // else it is a word of the JSON
		first, size := utf8.DecodeRuneInString(text)
		text = string(unicode.ToUpper(first)) + text[size:]
	}
	return strings.TrimSuffix(text, ".") + "."
}
