// A client of OData that needs no $metadata, with what writes its queries (odata-query): node odata.mjs URL
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { o } = require('odata');
const { default: written } = require('odata-query');
const library = () => o(`${process.argv[2]}/odata/v4/`, { headers: { 'Content-Type': 'application/json' } });
const asked = query => Object.fromEntries(new URLSearchParams(written(query)));
const listed = query => library().get('Authors').query(asked(query));
const logins = async query => (await listed(query)).map(each => each.Login);

const ann = { Login: 'ann', Name: 'Ann', Born: 1970, Tags: ['new', 'old'], Mails: [{ Kind: 'work', Value: 'a@x' }] };
const made = await library().post('Authors', ann).query();
assert.equal(made.Login, 'ann');
await library().post('Authors', { Login: 'bea', Name: "Bea O'Neil", Born: 1950, Tags: ['old'] }).query();
await library().post('Authors', { Login: 'cleo', Name: 'Cleo', Born: null, Tags: [] }).query();

assert.deepEqual(await logins({ filter: { Name: "Bea O'Neil" } }), ['bea']);
assert.deepEqual(await logins({ filter: { Born: { ge: 1950, lt: 1970 } } }), ['bea']);
assert.deepEqual(await logins({ filter: { or: [{ Born: null }, { Name: { startswith: 'A' } }] } }), ['ann', 'cleo']);
assert.deepEqual(await logins({ filter: { not: { Name: { contains: 'e' } } } }), ['ann']);
assert.deepEqual(await logins({ filter: { Login: { in: ['ann', 'cleo'] } } }), ['ann', 'cleo']);
assert.deepEqual(await logins({ filter: { Mails: { any: { Kind: 'work' } } } }), ['ann']);
assert.deepEqual(await logins({ filter: "Tags/any(t: t eq 'old')", orderBy: ['Name desc'] }), ['bea', 'ann']);
assert.deepEqual(await logins({ top: 1, skip: 1 }), ['bea']);
assert.deepEqual(await logins({ top: 1, select: ['Login'] }), ['ann']);

// With its own way to the whole reply.
const counted = await (await library().get('Authors').fetch({ $count: true, $top: 1 })).json();
assert.deepEqual([counted['@odata.count'], counted.value.length], [3, 1]);
const uncounted = await (await library().get('Authors').fetch({ $top: 1 })).json();
assert.equal('@odata.count' in uncounted, false);

await library().patch("Authors('ann')", { Name: 'Anne' }).query();
assert.equal((await library().get("Authors('ann')").query()).Name, 'Anne');
await library().delete("Authors('ann')").query();
const failed = async asking => asking.then(() => assert.fail('no error'), error => error);
assert.equal((await failed(library().get("Authors('ann')").query())).status, 404);
const refused = await failed(listed({ filter: { Mails: { all: { Kind: 'work' } } } }));
assert.equal(refused.status, 400);
assert.equal((await refused.json()).error.target, '$filter');
assert.equal((await failed(listed({ search: 'ann' }))).status, 501);
