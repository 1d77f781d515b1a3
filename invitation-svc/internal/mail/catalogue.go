package mail

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/text/language"
)

//go:embed catalogue/*.json
var catalogueFiles embed.FS

// fallback is the language of whoever has none that we speak.
const fallback = "en"

// catalogue has the texts by language and key.
type catalogue map[string]map[string]string

// readCatalogue reads every file of a directory and refuses a language that
// lacks a text of the fallback or has one that it lacks.
func readCatalogue(files fs.FS) (catalogue, error) {
	names, err := fs.Glob(files, "*.json")
	if err != nil {
		return nil, fmt.Errorf("list catalogue: %w", err)
	}
	c := catalogue{}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("read catalogue: %w", err)
		}
		texts := map[string]string{}
		if err := json.Unmarshal(text, &texts); err != nil {
			return nil, fmt.Errorf("read catalogue %s: %w", name, err)
		}
		c[strings.TrimSuffix(path.Base(name), ".json")] = texts
	}
	for lang, texts := range c {
		for key := range c[fallback] {
			if texts[key] == "" {
				return nil, fmt.Errorf("catalogue %s lacks %q", lang, key)
			}
		}
		if len(texts) != len(c[fallback]) {
			return nil, fmt.Errorf("catalogue %s has texts that %s lacks", lang, fallback)
		}
	}
	return c, nil
}

// choose is the first of the wanted languages that is spoken, each tried with
// its parents before the next.
func (c catalogue) choose(wanted ...language.Tag) string {
	for _, tag := range wanted {
		for ; tag != language.Und; tag = tag.Parent() {
			if _, ok := c[tag.String()]; ok {
				return tag.String()
			}
		}
	}
	return fallback
}

// say fills the placeholders of a text. A value is never read for
// placeholders again.
func (c catalogue) say(lang, key string, values map[string]string) string {
	text, ok := c[lang][key]
	if !ok {
		text = c[fallback][key]
	}
	pairs := make([]string, 0, 2*len(values))
	for name, value := range values {
		pairs = append(pairs, "{"+name+"}", value)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}
