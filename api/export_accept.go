package api

import (
	"mime"
	"strconv"
	"strings"

	"trunkline/internal/export"
)

// fileAsked is what Accept asks for: the file itself, and its format where the media type says one.
type fileAsked struct {
	file   bool
	format export.Format // "" where any will do
}

// fileTypes are the media types that ask for the file itself.
var fileTypes = map[string]fileAsked{
	"text/csv":                 {true, export.CSV},
	"application/xml":          {true, export.XML},
	"text/xml":                 {true, export.XML},
	"application/octet-stream": {true, ""},
}

// answerTypes are those that ask for the documented answer. The last two are a browser's, whose Accept
// names application/xml as well, if with less weight.
var answerTypes = []string{"application/json", "text/html", "application/xhtml+xml"}

// asksForFile reads the Accept header: the file is asked for where its type has more weight than the
// answer's.
func asksForFile(accept string) fileAsked {
	var best fileAsked
	var fileWeight, answerWeight float64
	for part := range strings.SplitSeq(accept, ",") {
		media, details, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		weight := 1.0
		if q, given := details["q"]; given {
			if weight, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		if asked, ok := fileTypes[media]; ok && weight > fileWeight {
			best, fileWeight = asked, weight
		}
		for _, answer := range answerTypes {
			if media == answer {
				answerWeight = max(answerWeight, weight)
			}
		}
	}
	if answerWeight >= fileWeight {
		return fileAsked{}
	}
	return best
}
