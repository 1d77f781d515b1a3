// Command openapi finishes the OpenAPI document that protoc-gen-openapiv2
// wrote: over REST the query options stand at the top (`$filter`, not
// `query.$filter`), and what the facade sets from headers is no parameter.
package main

import (
	"bytes"
	"encoding/json"
	"log"
	"os"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: openapi FILE")
	}
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		log.Fatal(err)
	}
	doc["info"] = map[string]any{
		"title":   "Entente",
		"version": "v1.0",
		"description": "Every operation of the REST facade. Paths under /v1.0 are served under /beta as well. " +
			"Answers follow Microsoft Graph: a property without a value is null, lists are never absent.",
		"license": map[string]any{"name": "Apache-2.0"},
	}
	paths, _ := doc["paths"].(map[string]any)
	for _, methods := range paths {
		for _, operation := range methods.(map[string]any) {
			finish(operation.(map[string]any))
		}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(os.Args[1], out.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
}

func finish(operation map[string]any) {
	parameters, _ := operation["parameters"].([]any)
	kept := parameters[:0]
	for _, p := range parameters {
		parameter := p.(map[string]any)
		name, _ := parameter["name"].(string)
		if name == "query.advanced" {
			continue
		}
		parameter["name"] = strings.TrimPrefix(name, "query.")
		kept = append(kept, p)
	}
	if len(parameters) > 0 {
		operation["parameters"] = kept
	}
}
