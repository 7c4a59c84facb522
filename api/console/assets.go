package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strings"

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

// asset is a file that pages load. Its address has its hash, so that a browser may keep it for good.
type asset struct {
	media   string
	content []byte
}

// assets are by their name with the hash, and hashed is that name by the plain one.
var assets, hashed = func() (map[string]asset, map[string]string) {
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		panic(err) // it is embedded
	}
	all, names := map[string]asset{}, map[string]string{}
	for _, e := range entries {
		content, err := assetFiles.ReadFile("assets/" + e.Name())
		if err != nil {
			panic(err)
		}
		end := path.Ext(e.Name())
		sum := sha256.Sum256(content)
		name := strings.TrimSuffix(e.Name(), end) + "." + hex.EncodeToString(sum[:6]) + end
		all[name], names[e.Name()] = asset{mediaTypes[end], content}, name
	}
	return all, names
}()

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
			r.Data(http.StatusOK, found.media, found.content)
			return nil
		},
	}
}
