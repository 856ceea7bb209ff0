// All nine methods of a react-admin DataProvider, against a service: node providers.mjs PACKAGE URL SESSION DIALECT
import assert from 'node:assert/strict';
import { fetchUtils } from 'ra-core';

const [name, url, session, dialect] = process.argv.slice(2);
const { default: make } = await import(name);
const http = (address, options = {}) => {
    const headers = new Headers(options.headers ?? {});
    headers.set('X-Session-ID', session);
    headers.set('X-Dialect', dialect);
    return fetchUtils.fetchJson(address, { ...options, headers });
};
const provider = make(url, http);
const by = (field, order = 'ASC') => ({ field, order });
const page = (number, perPage) => ({ page: number, perPage });

for (const title of ['b', 'a', 'c']) {
    const { data } = await provider.create('posts', { data: { title, views: title.charCodeAt(0) } });
    assert.equal(data.title, title);
}
for (const postId of [1, 1, 2]) await provider.create('comments', { data: { postId, body: 'x' } });

const list = await provider.getList('posts', { filter: {}, sort: by('title'), pagination: page(1, 2) });
assert.deepEqual(list.data.map(each => each.title), ['a', 'b']);
assert.equal(list.total, 3);
if (dialect === 'ra-data-simple-rest') {
    const counted = await make(url, http, 'X-Total-Count').getList('posts', {
        filter: {}, sort: by('id'), pagination: page(1, 1),
    });
    assert.deepEqual([counted.data.length, counted.total], [1, 3]);
}
const second = await provider.getList('posts', { filter: {}, sort: by('title', 'DESC'), pagination: page(2, 2) });
assert.deepEqual(second.data.map(each => each.title), ['a']);
const filtered = await provider.getList('posts', { filter: { title: 'c' }, sort: by('id'), pagination: page(1, 9) });
assert.deepEqual([filtered.data.length, filtered.total], [1, 1]);

assert.equal((await provider.getOne('posts', { id: 2 })).data.title, 'a');
const many = await provider.getMany('posts', { ids: [1, 3] });
assert.deepEqual(many.data.map(each => each.id), [1, 3]);
const reference = await provider.getManyReference('comments', {
    target: 'postId', id: 1, filter: {}, sort: by('id', 'DESC'), pagination: page(1, 1),
});
assert.deepEqual([reference.data.map(each => each.id), reference.total], [[2], 2]);

const updated = await provider.update('posts', { id: 1, data: { id: 1, title: 'B', views: 1 } });
assert.deepEqual(updated.data, { id: 1, title: 'B', views: 1 });
const several = await provider.updateMany('posts', { ids: [1, 2], data: { title: 'same' } });
assert.deepEqual(several.data, [1, 2]);
assert.deepEqual((await provider.getOne('posts', { id: 2 })).data.title, 'same');

await provider.delete('posts', { id: 3, previousData: { id: 3 } });
await assert.rejects(provider.getOne('posts', { id: 3 }), error => error.status === 404);
const deleted = await provider.deleteMany('posts', { ids: [1, 2] });
assert.equal(deleted.data.length, 2);
const left = await provider.getList('posts', { filter: {}, sort: by('id'), pagination: page(1, 9) });
assert.deepEqual([left.data, left.total], [[], 0]);
console.log(`${name}: nine methods of nine`);
