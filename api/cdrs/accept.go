package cdrs

import (
	"mime"
	"slices"
	"strconv"
	"strings"

	"trunkline/api/web"
	"trunkline/internal/cdr"
	"trunkline/internal/export"
)

// fileAsked is what Accept asks for: the file itself, and its format if the media type says one.
type fileAsked struct {
	file   bool
	format export.Format // "": any will do
}

// anyFormat is the media type that asks for the file, whatever its format.
const anyFormat = "application/octet-stream"

// answerTypes ask for the documented answer, JSON's among them. The last two are a browser's, whose
// Accept names application/xml as well, if with less weight.
var answerTypes = []string{"application/json", "text/html", "application/xhtml+xml"}

// asksForFile reads the Accept header: the file is asked for if its type has more weight than the
// answer's.
func asksForFile(accept string) fileAsked {
	var best fileAsked
	var fileWeight, answerWeight float64
	for part := range strings.SplitSeq(accept, ",") {
		media, details, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		weight, ok := weightOf(details)
		if !ok {
			continue
		}
		format, isFormat := export.FormatOf(media)
		switch {
		case slices.Contains(answerTypes, media):
			answerWeight = max(answerWeight, weight)
		case (isFormat || media == anyFormat) && weight > fileWeight:
			best, fileWeight = fileAsked{true, format}, weight
		}
	}
	if answerWeight >= fileWeight {
		return fileAsked{}
	}
	return best
}

// weightOf is the weight that a part of such a header has, from 0 to 1.
func weightOf(details map[string]string) (weight float64, ok bool) {
	q, given := details["q"]
	if !given {
		return 1, true
	}
	weight, err := strconv.ParseFloat(q, 64)
	return weight, err == nil && weight >= 0 && weight <= 1
}

// acceptedCoding is the Content-Encoding that the answer's body gets: the one that Accept-Encoding asks for, none
// if the file is packed already.
func acceptedCoding(r *web.Request, result cdr.Result) export.Compression {
	if result.Compression != export.None || result.Format == export.Parquet {
		return export.None
	}
	return asksForCoding(r.Header("Accept-Encoding"))
}

// asksForCoding reads the Accept-Encoding header: the coding that has most weight, of those there are.
func asksForCoding(accepted string) export.Compression {
	best, bestWeight := export.None, 0.0
	for part := range strings.SplitSeq(accepted, ",") {
		coding, details, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		weight, ok := weightOf(details)
		if ok && weight > bestWeight && slices.Contains(export.Compressions(), coding) {
			best, bestWeight = export.Compression(coding), weight
		}
	}
	return best
}
