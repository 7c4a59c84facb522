package console

import "html"

const (
	// roomForEntries is how many bytes of HTML the entries of a list may have, so that no page has more than 100 KB whatever
	// others wrote into them.
	roomForEntries = 70_000
	// entryMarkup is what an entry takes beside its texts, in bytes.
	entryMarkup = 700
)

// fitting is how many of the entries a page has room for, up to most and at least one if there is any; texts are what it
// shows of one.
func fitting[T any](entries []T, most int, texts func(T) string) int {
	room := roomForEntries
	for i, one := range entries[:min(len(entries), most)] {
		if room -= entryMarkup + len(html.EscapeString(texts(one))); room < 0 && i > 0 {
			return i
		}
	}
	return min(len(entries), most)
}
