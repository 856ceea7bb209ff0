// An ordinary page of code, by a client whose types come from /openapi.json?types=learned.
import createClient from "openapi-fetch";
import type { components, paths } from "./shop";

type Member = components["schemas"]["members.record"];

const [url, token] = process.argv.slice(2);
const shop = createClient<paths>({
  baseUrl: url,
  headers: { Authorization: `Bearer ${token}`, "X-Session-ID": "shop" },
});

function must<T>(data: T | undefined, error: unknown): T {
  if (data === undefined) throw new Error(JSON.stringify(error));
  return data;
}

async function main(): Promise<void> {
  const created = await shop.POST("/members", { body: { name: "Bob", age: 25, tags: ["new"] } });
  const bob: Member = must(created.data, created.error);

  const listed = await shop.GET("/members", { params: { query: { age__lt: "30", sort: "-age", page: 1, per_page: 5 } } });
  const names: string[] = must(listed.data, listed.error).items.map((member) => member.name);

  const path = { id: bob.id };
  const seen = await shop.GET("/members/{id}", { params: { path } });
  const tag = seen.response.headers.get("ETag") ?? "";
  const changed = await shop.PATCH("/members/{id}", {
    params: { path, header: { "If-Match": tag } },
    body: { age: 26 },
  });
  const stale = await shop.PATCH("/members/{id}", {
    params: { path, header: { "If-Match": tag } },
    body: { age: 27 },
  });
  const ordered = await shop.POST("/members/{member_id}/orders", {
    params: { path: { member_id: bob.id }, header: { "Idempotency-Key": "order-1" } },
    body: { status: "open", lines: [{ sku: "lamp", quantity: 2 }] },
  });
  const order = must(ordered.data, ordered.error);
  const quantities: number = order.lines.reduce((sum, line) => sum + (line.quantity ?? 0), 0);

  const removed = await shop.DELETE("/members/{id}", { params: { path } });
  const missing = await shop.GET("/members/{id}", { params: { path } });

  console.log(
    JSON.stringify({
    names,
    age: must(changed.data, changed.error).age,
    stale: stale.response.status,
    quantities,
    removed: removed.response.status,
    missing: missing.error?.title,
  }));
}

await main();
