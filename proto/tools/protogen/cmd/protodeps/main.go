// Command protodeps prints the .proto files that ours import out of the Go
// packages that the generated code links, so that their text always matches
// the code and nothing is vendored or downloaded.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/jhump/protoreflect/v2/protoprint"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "google.golang.org/genproto/googleapis/api/annotations"
	_ "google.golang.org/genproto/googleapis/api/httpbody"
)

func main() {
	out := flag.String("out", "", "folder to write to; it is emptied first")
	flag.Parse()
	if *out == "" || flag.NArg() == 0 {
		log.Fatal("usage: protodeps -out DIR FILE.proto...")
	}
	if err := os.RemoveAll(*out); err != nil {
		log.Fatal(err)
	}
	written := map[string]bool{}
	for _, path := range flag.Args() {
		file, err := protoregistry.GlobalFiles.FindFileByPath(path)
		if err != nil {
			log.Fatalf("%s: %v", path, err)
		}
		if err := write(*out, file, written); err != nil {
			log.Fatal(err)
		}
	}
}

// write prints file and everything it imports, except what the compiler has
// built in.
func write(dir string, file protoreflect.FileDescriptor, written map[string]bool) error {
	if written[file.Path()] || strings.HasPrefix(file.Path(), "google/protobuf/") {
		return nil
	}
	written[file.Path()] = true
	imports := file.Imports()
	for i := range imports.Len() {
		if err := write(dir, imports.Get(i).FileDescriptor, written); err != nil {
			return err
		}
	}
	path := filepath.Join(dir, file.Path())
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	text, err := new(protoprint.Printer).PrintProtoToString(file)
	if err != nil {
		return fmt.Errorf("print %s: %w", file.Path(), err)
	}
	return os.WriteFile(path, []byte(text), 0o644)
}
