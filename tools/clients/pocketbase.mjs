// PocketBase's SDK against a service: node pocketbase.mjs pocketbase URL SESSION DIALECT
import assert from 'node:assert/strict';
import { EventSource } from 'eventsource';
import PocketBase, { ClientResponseError } from 'pocketbase';

const [, url, session, dialect] = process.argv.slice(2);
const pb = new PocketBase(url);
pb.autoCancellation(false);
pb.beforeSend = (address, options) => {
    options.headers = { ...options.headers, 'X-Session-ID': session, 'X-Dialect': dialect };
    return { url: address, options };
};
const failing = async (promise, status) => {
    const error = await promise.then(() => assert.fail('it went well'), each => each);
    assert.ok(error instanceof ClientResponseError, String(error));
    assert.equal(error.status, status);
    return error.response;
};
const posts = pb.collection('posts');
const ids = records => records.map(each => each.title);

assert.equal((await pb.health.check()).code, 200);
const ann = await pb.collection('authors').create({ name: 'Ann' });
assert.match(ann.id, /^[a-z0-9]{15}$/);
for (const [title, views] of [['b', 3], ['a', 1], ["c'd", 2]]) {
    const made = await posts.create({ title, views, author: ann.id, tags: [] });
    assert.deepEqual([made.title, made.collectionName], [title, 'posts']);
}

const page = await posts.getList(1, 2, { sort: '-views' });
assert.deepEqual([ids(page.items), page.totalItems, page.totalPages, page.perPage], [['b', "c'd"], 3, 2, 2]);
assert.deepEqual(ids(await posts.getFullList({ batch: 2, sort: 'title' })), ['a', 'b', "c'd"]);
const filter = pb.filter('title = {:title} && views > {:views} && created < {:now}', {
    title: "c'd", views: 1, now: new Date('2999-01-01'),
});
assert.equal((await posts.getFirstListItem(filter)).views, 2);
assert.deepEqual(ids(await posts.getFullList({ filter: 'author.name ~ "an"', sort: 'views' })), ['a', "c'd", 'b']);
await failing(posts.getFirstListItem('title = "nothing"'), 404);
assert.match((await failing(posts.getList(1, 2, { filter: 'title ==' }), 400)).message, /^filter: /);

const one = await posts.getOne(page.items[0].id, { expand: 'author' });
assert.equal(one.expand.author.name, 'Ann');
assert.deepEqual(await posts.getOne(one.id, { fields: 'title' }), { title: 'b' });
const back = await pb.collection('authors').getOne(ann.id, { expand: 'posts_via_author' });
assert.equal(back.expand.posts_via_author.length, 3);

const changed = await posts.update(one.id, { ...one, title: 'B', 'tags+': 'x' });
assert.deepEqual([changed.title, changed.tags, changed.created], ['B', ['x'], one.created]);
assert.equal((await posts.update(one.id, { 'views+': 5 })).views, 8);
const refused = await failing(posts.create({ id: 'short', views: '12abc' }), 400);
assert.deepEqual(Object.keys(refused.data).sort(), ['id', 'views']);

const batch = pb.createBatch();
batch.collection('posts').create({ title: 'batched' });
batch.collection('posts').update(one.id, { title: 'again' });
batch.collection('posts').upsert({ id: one.id, title: 'upserted' });
batch.collection('posts').delete(page.items[1].id);
assert.deepEqual((await batch.send()).map(each => each.status), [200, 200, 200, 204]);
const undone = pb.createBatch();
undone.collection('posts').create({ title: 'undone' });
undone.collection('posts').delete('nope');
assert.equal((await failing(undone.send(), 400)).data.requests[1].code, 'batch_request_failed');
assert.deepEqual(ids(await posts.getFullList({ sort: 'title' })), ['a', 'batched', 'upserted']);

assert.equal(await posts.delete(one.id), true);
await failing(posts.getOne(one.id), 404);
await failing(posts.delete(one.id), 404);
await failing(pb.collection('nothing').getFullList(), 404);
await failing(pb.collection('users').authWithPassword('a', 'b'), 501);
// Realtime. The SDK takes the EventSource that there is; in Node that is a package's, which can send headers.
globalThis.EventSource = class extends EventSource {
    constructor(address) {
        const said = { 'X-Session-ID': session, 'X-Dialect': dialect };
        super(address, { fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...said } }) });
    }
};
/** Events as they come, in their order. */
const inbox = () => {
    const come = [], waiting = [];
    const told = event => (waiting.shift() ?? (each => come.push(each)))([event.action, event.record]);
    const next = () => (come.length ? Promise.resolve(come.shift()) : new Promise(each => waiting.push(each)));
    return { told, next, come };
};
const all = inbox(), single = inbox(), some = inbox();
await posts.subscribe('*', all.told);
const watched = await posts.create({ title: 'live', views: 1, author: ann.id });
await posts.subscribe(watched.id, single.told, { expand: 'author', fields: 'title,expand.author.name' });
const stop = await posts.subscribe('*', some.told, { filter: pb.filter('views > {:least}', { least: 5 }) });
assert.deepEqual(await all.next(), ['create', watched]);
const more = await posts.update(watched.id, { views: 9 });
assert.deepEqual(await all.next(), ['update', more]);
assert.deepEqual(await some.next(), ['update', more]);
assert.deepEqual(await single.next(), ['update', { title: 'live', expand: { author: { name: 'Ann' } } }]);
await stop();
await posts.unsubscribe(watched.id);
assert.equal(pb.realtime.isConnected, true);
await posts.delete(watched.id);
assert.deepEqual(await all.next(), ['delete', more]);
assert.deepEqual([all.come, single.come, some.come], [[], [], []]);
await posts.unsubscribe();
assert.equal(pb.realtime.isConnected, false);

console.log(`${dialect}: PocketBase's SDK does all that it is asked`);
