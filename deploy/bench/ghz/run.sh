#!/usr/bin/env bash
# Runs ghz scenarios against the suite whose data folder is named.
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: run.sh DATA_DIR [SCENARIO...]" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
data=$(cd "$1" && pwd)
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

ghz=$(GOWORK=off go -C "$root/deploy/tools/ghz" tool -n ghz)
buf=$(GOWORK=off go -C "$root/proto/tools/buf" tool -n buf)
GOWORK=off go -C "$root/proto/tools/protogen" run ./cmd/protodeps -out "$root/.protodeps" \
  google/api/annotations.proto google/api/field_behavior.proto google/api/httpbody.proto
(cd "$root" && "$buf" build -o "$work/suite.binpb")

json() { go -C "$root/deploy/bench" run ./ghz/field "$data/entente.json" "$@"; }
ca=$(json caFile)
contoso=$(json tenants contoso tenantId)
token=$(curl -sS --fail --cacert "$ca" "$(json loginUrl)/$contoso/oauth2/v2.0/token" \
  -d grant_type=client_credentials -d "client_id=$(json tenants contoso clientId)" \
  --data-urlencode "client_secret=$(json tenants contoso clientSecret)" \
  --data-urlencode "scope=$(json graphUrl)/.default" | sed -E 's/.*"access_token":"([^"]+)".*/\1/')
user=$(curl -sS --fail --cacert "$ca" -H "Authorization: Bearer $token" "$(json graphUrl)/v1.0/users?\$top=1&\$select=id" \
  | sed -E 's/.*"value":\[\{"id":"([^"]+)".*/\1/')

[ $# -gt 0 ] || set -- get-user list-users create-invitation check-b2b
for scenario in "$@"; do
  file="$here/$scenario.json"
  sed -e "s/@USER@/$user/; s/@CONTOSO@/$contoso/; s/@FABRIKAM@/$(json tenants fabrikam tenantId)/" "$file" > "$work/$scenario.json"
  field() { go -C "$root/deploy/bench" run ./ghz/field "$work/$scenario.json" "$@"; }
  identity=()
  as=$(field as)
  if [ -n "$as" ]; then
    identity=(--cert "$data/certificates/$as.pem" --key "$data/certificates/$as-key.pem")
  else
    identity=(-m "{\"authorization\":\"Bearer $token\"}")
  fi
  echo "== $scenario"
  "$ghz" --protoset "$work/suite.binpb" --cacert "$ca" "${identity[@]}" --call "$(field call)" \
    -d "$(field data)" -c "${CONCURRENCY:-8}" -z "${LENGTH:-10s}" --duration-stop wait "$(json grpc "$(field service)")"
done
