package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"

	swagger "github.com/swaggest/swgui/v5/static"

	"trunkline/api/web"
	"trunkline/internal/fault"
)

//go:embed assets
var assetFiles embed.FS

// mediaTypes are those of assets, by the end of their names.
var mediaTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// ofSwagger are the files of Swagger UI that the reference of the API needs; the others are not served.
var ofSwagger = []string{"swagger-ui.css", "swagger-ui-bundle.js"}

// asset is a file that pages load. Its address has its hash, so that a browser may keep it for good.
type asset struct {
	media   string
	content []byte
	packed  bool // by gzip
}

// assets are by their name with the hash, and hashed is that name by the plain one.
var assets, hashed = func() (map[string]asset, map[string]string) {
	all, names := map[string]asset{}, map[string]string{}
	add := func(name string, content []byte, packed bool) {
		end := path.Ext(name)
		sum := sha256.Sum256(content)
		address := strings.TrimSuffix(name, end) + "." + hex.EncodeToString(sum[:6]) + end
		all[address], names[name] = asset{mediaTypes[end], content, packed}, address
	}
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		panic(err) // it is embedded
	}
	for _, e := range entries {
		content, err := assetFiles.ReadFile("assets/" + e.Name())
		if err != nil {
			panic(err)
		}
		add(e.Name(), content, false)
	}
	for _, name := range ofSwagger {
		content, err := swagger.FS.ReadFile(name + ".gz")
		if err != nil {
			panic(err) // the version in go.mod has it
		}
		add(name, content, true)
	}
	return all, names
}()

// unpacked is for the few who take nothing that is packed.
func unpacked(packed []byte) ([]byte, error) {
	from, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(from)
}

// assetPath is where pages load an asset from.
func assetPath(name string) (string, error) {
	found, ok := hashed[name]
	if !ok {
		return "", fmt.Errorf("there is no asset %s", name)
	}
	return home + "/assets/" + found, nil
}

func assetEndpoint() web.Endpoint {
	return web.Endpoint{
		ID: "consoleAsset", Methods: []string{"GET", "HEAD"}, Path: home + "/assets/:name", Entry: web.ConsoleDoor,
		Answer: func(r *web.Request) error {
			found, ok := assets[r.Path("name")]
			if !ok {
				return fault.Errorf(fault.NotFound, "there is no such file; load the page again")
			}
			r.SetHeader("Cache-Control", "public, max-age=31536000, immutable")
			content := found.content
			if found.packed {
				r.SetHeader("Vary", "Accept-Encoding")
				if strings.Contains(r.Header("Accept-Encoding"), "gzip") {
					r.SetHeader("Content-Encoding", "gzip")
				} else {
					var err error
					if content, err = unpacked(content); err != nil {
						return err
					}
				}
			}
			r.Data(http.StatusOK, found.media, content)
			return nil
		},
	}
}
