// Command field prints one member of a JSON file, for the scenario script:
//
//	field FILE grpc directory
//	field FILE tenants contoso clientId
//
// In a list the object whose "name" matches is meant. A missing member prints
// an empty line; objects print as JSON.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: field FILE NAME...")
		os.Exit(2)
	}
	text, err := os.ReadFile(os.Args[1])
	if err == nil {
		var value any
		if err = json.Unmarshal(text, &value); err == nil {
			err = write(pick(value, os.Args[2:]))
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "field:", err)
		os.Exit(1)
	}
}

func pick(value any, path []string) any {
	if len(path) == 0 {
		return value
	}
	switch v := value.(type) {
	case map[string]any:
		return pick(v[path[0]], path[1:])
	case []any:
		for _, item := range v {
			if object, ok := item.(map[string]any); ok && object["name"] == path[0] {
				return pick(object, path[1:])
			}
		}
	}
	return nil
}

func write(value any) error {
	switch v := value.(type) {
	case nil:
		fmt.Println()
	case string:
		fmt.Println(v)
	default:
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		fmt.Println(string(text))
	}
	return nil
}
