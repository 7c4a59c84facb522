package params

import (
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"trunkline/internal/fault"
)

// Whatever body comes: a file is taken once at most, no field is larger or of another kind than it may be, and an error is
// one for callers.
func FuzzReadFile(f *testing.F) {
	const field, file = "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n", "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"g.csv\"\r\nContent-Type: text/csv\r\n\r\nname\nx\r\n"
	for _, seed := range [][2]string{
		{"multipart/form-data; boundary=B", field + file + "--B--\r\n"}, {"multipart/form-data; boundary=B", file + field + "--B--\r\n"},
		{"multipart/form-data; boundary=B", file + file + "--B--\r\n"}, {"multipart/form-data; boundary=B", field + "--B--\r\n"},
		{"multipart/form-data; boundary=B", file}, {"multipart/form-data", file}, {"multipart/form-data; boundary=B", ""}, {"text/csv", "name\nx\n"}, {formType, "a=1"}, {"", ""},
		{"multipart/form-data; boundary=B", strings.Repeat(field, 3)}, {"multipart/form-data; boundary=B", file + strings.Repeat("x", 2000)},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, media, body string) {
		req := httptest.NewRequest("POST", "/", strings.NewReader(body))
		req.Header.Set("Content-Type", media)
		taken, given := 0, Values{}
		err := ReadFile(httptest.NewRecorder(), req, testLimits, given, func(file io.Reader, _ string) error {
			taken++
			read, err := io.Copy(io.Discard, file)
			if read > testLimits.BodyBytes {
				t.Errorf("%d bytes were read", read)
			}
			return err
		})
		if taken > 1 || err == nil && taken != 1 {
			t.Errorf("a file was taken %d times, and %v", taken, err)
		}
		if told := (*fault.Error)(nil); err != nil && taken == 0 && !errors.As(err, &told) {
			t.Errorf("got %v", err)
		}
		if len(given) > testLimits.Count {
			t.Errorf("there are %d parameters", len(given))
		}
		for name, value := range given {
			if _, isList := testLimits.Lists[name]; !IsText(name) || len(value) > testLimits.ValueBytes && !isList || !IsText(value) && !testLimits.Lines[name] {
				t.Errorf("%q is %q", name, value)
			}
		}
	})
}
