package fssim

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// filesConfig reads sofia.conf as FreeSWITCH does where each profile includes FOLDER/PROFILE/*.xml. Nothing
// is cached: every reload reads all files again.
func (s *Switch) filesConfig() (*sofiaConf, error) {
	xml := map[string]string{}
	for _, profile := range s.opts.Profiles {
		text, err := s.includeFiles(filepath.Join(s.opts.GatewayFiles, profile))
		if err != nil {
			return nil, err
		}
		xml[profile] = text
	}
	return parseSofiaConf(sofiaConfXML(xml)), nil
}

// includeFiles is what the preprocessor makes of the *.xml of a folder, in the order of their names. As the
// shell's, its * matches no dot at the beginning.
func (s *Switch) includeFiles(dir string) (string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.xml"))
	if err != nil {
		return "", fmt.Errorf("reading the gateway files: %w", err)
	}
	var b strings.Builder
	for _, path := range paths {
		if strings.HasPrefix(filepath.Base(path), ".") {
			continue
		}
		content, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue // it went meanwhile
		}
		if err != nil {
			return "", fmt.Errorf("reading the gateway files: %w", err)
		}
		b.WriteString(s.preprocess(string(content)))
	}
	return b.String(), nil
}

var (
	globalVariable = regexp.MustCompile(`\$\$\{([^{}]*)\}`)
	preProcess     = regexp.MustCompile(`(?i)x-pre-process`)
)

// preprocess is what FreeSWITCH does to a file before it parses it, line by line: a NUL ends its line, the
// end included; $${name} becomes the global variable, or nothing; and a line that names <include>,
// </include>, <? or, in any case, X-PRE-PROCESS is dropped whole. What such a line would have FreeSWITCH
// run is not run here.
func (s *Switch) preprocess(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "\x00")
		line = globalVariable.ReplaceAllStringFunc(line, func(variable string) string {
			return s.globalVariable(globalVariable.FindStringSubmatch(variable)[1])
		})
		if strings.Contains(line, "<include>") || strings.Contains(line, "</include>") || strings.Contains(line, "<?") || preProcess.MatchString(line) {
			continue
		}
		b.WriteString(line)
	}
	return b.String()
}

func (s *Switch) globalVariable(name string) string {
	return map[string]string{"hostname": s.opts.Hostname, "domain": s.opts.Domain}[name]
}
