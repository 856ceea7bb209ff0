#!/usr/bin/env bash
# json-server 0.17.4 (npm): `GET /posts/77/comments` answers with all comments there are, if none of them has a `postId`.
#
# The nested route becomes the filter `postId=77`, and a filter by a name that no record has is dropped. So the comments
# of a post that does not exist are everybody's. With one comment that has the field, the same request answers [].
set -euo pipefail
cd "$(mktemp -d)"
npm init --yes > init.txt
npm install --silent --no-audit --no-fund json-server@0.17.4 > npm.txt 2>&1
trap 'kill $(jobs -p) 2> /dev/null || true' EXIT
answer() {
  echo "{\"posts\": [{\"id\": 1}], \"comments\": $1}" > "db$2.json"
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  node node_modules/json-server/lib/cli/bin.js --quiet --host 127.0.0.1 --port "$port" "db$2.json" > "server$2.txt" 2>&1 &
  for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/posts" > posts.txt && break; sleep 0.1; done
  curl -sf "http://127.0.0.1:$port/posts/77/comments" | python3 -c 'import json, sys; print([each["id"] for each in json.load(sys.stdin)])'
}
without=$(answer '[{"id": 1, "text": "a"}, {"id": 2, "text": "b"}]' 1)
with=$(answer '[{"id": 1, "text": "a"}, {"id": 2, "text": "b", "postId": 1}]' 2)
echo "no comment has a postId: $without"
echo "one comment has one:     $with"
[ "$without" = "[1, 2]" ] && [ "$with" = "[]" ]
