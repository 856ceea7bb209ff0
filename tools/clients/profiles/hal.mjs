// A client of HAL, which goes by links alone: node hal.mjs URL
import assert from 'node:assert/strict';
import { Client } from 'ketting';

const client = new Client(`${process.argv[2]}/books`);
const books = client.go();
for (const title of ['a', 'b', 'c']) {
    const made = await books.postFollow({ data: { title, author: 'Ann' } });
    assert.equal((await made.get()).data.title, title);
}
client.clearCache();
const page = await books.get();
assert.deepEqual(page.getEmbedded().map(each => each.data.title), ['a', 'b']);
assert.equal(page.data.page.totalElements, 3);
const next = await (await books.follow('next')).get();
assert.deepEqual(next.getEmbedded().map(each => each.data.title), ['c']);
const one = client.go(page.getEmbedded()[0].uri);
const state = await one.get();
assert.equal(state.data.title, 'a');
state.data = { title: 'A' };
await one.put(state);
client.clearCache();
assert.equal((await one.get()).data.title, 'A');
await one.delete();
client.clearCache();
const gone = await one.get().then(() => assert.fail('it is there'), error => error);
assert.equal(gone.status, 404);
assert.match(gone.response.headers.get('content-type'), /vnd\.error\+json/);
