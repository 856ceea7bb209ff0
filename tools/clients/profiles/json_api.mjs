// A client of JSON:API against a document's service: node json_api.mjs URL
import assert from 'node:assert/strict';
import Kitsu from 'kitsu';

const api = new Kitsu({ baseURL: `${process.argv[2]}/api`, pluralize: false, camelCaseTypes: false });
const failing = async (promise, status) => {
    const error = await promise.then(() => assert.fail('it went well'), each => each);
    assert.equal(error.response?.status, status, String(error));
    return error.errors[0];
};

const ann = (await api.post('people', { name: 'Ann', secret: 's' })).data;
assert.deepEqual([ann.type, ann.name, ann.secret], ['people', 'Ann', undefined]);
const tags = [];
for (const name of ['t1', 't2']) tags.push((await api.post('tags', { name })).data);
const author = { data: { id: ann.id, type: 'people' } };
const first = (await api.post('articles', { title: 'B', body: 'x', author, tags: { data: [{ id: tags[0].id, type: 'tags' }] } })).data;
assert.equal(first.author.data.id, ann.id);
const second = (await api.post('articles', { title: 'A' })).data;
const comment = (await api.post('comments', { text: 'hi', article: { data: { id: first.id, type: 'articles' } }, author })).data;

const titles = async params => (await api.get('articles', { params })).data.map(each => each.title);
assert.deepEqual(await titles({ sort: '-title' }), ['B', 'A']);
assert.deepEqual(await titles({ filter: { title: 'A' } }), ['A']);
assert.deepEqual(await titles({ sort: 'title', page: { size: 1, number: 2 } }), ['B']);
const one = (await api.get(`articles/${first.id}`, { params: { include: 'author,comments.author', fields: { articles: 'title,author,comments' } } })).data;
assert.equal(one.author.data.name, 'Ann');
assert.equal(one.author.data.secret, undefined);
assert.equal(one.comments.data[0].text, 'hi');
assert.equal(one.body, undefined);

assert.equal((await api.get(`articles/${first.id}/relationships/author`)).data.id, ann.id);
assert.equal((await api.get(`articles/${first.id}/author`)).data.name, 'Ann');
assert.deepEqual((await api.get(`articles/${first.id}/comments`)).data.map(each => each.id), [comment.id]);
await api.patch(`articles/${second.id}/relationships/author`, { id: ann.id, type: 'people' }).catch(() => {});
const changed = (await api.patch('articles', { id: first.id, title: 'Z' })).data;
assert.deepEqual([changed.title, changed.body, changed.author.data.id], ['Z', 'x', ann.id]);

assert.match((await failing(api.get('articles', { params: { include: 'nope' } }), 400)).detail, /nope/);
assert.equal((await failing(api.post('articles', { body: 'no title' }), 422)).source.pointer, '/data/attributes');
assert.equal((await failing(api.get('articles/none'), 404)).status, '404');
await api.delete('articles', first.id);
await failing(api.get(`articles/${first.id}`), 404);
