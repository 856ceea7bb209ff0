// A client of JSON:API against a service: node kitsu.mjs kitsu URL SESSION DIALECT
import assert from 'node:assert/strict';
import Kitsu from 'kitsu';

const [, url, session, dialect] = process.argv.slice(2);
const options = { baseURL: `${url}/api`, headers: { 'X-Session-ID': session, 'X-Dialect': dialect } };
const api = new Kitsu(options);
const failing = async (promise, status) => {
    const error = await promise.then(() => assert.fail('it went well'), each => each);
    assert.equal(error.response?.status, status, String(error));
    return error.errors[0];
};

const ann = (await api.post('author', { name: 'Ann', born: { year: 1970 } })).data;
assert.deepEqual([ann.id, ann.type, ann.name, ann.born], ['1', 'authors', 'Ann', { year: 1970 }]);
const author = { data: { id: ann.id, type: 'authors' } };
for (const [title, views] of [['b', 3], ['a', 1], ['c', 2]]) {
    const made = await api.post('article', { title, views, author });
    assert.equal(made.status, 201);
    assert.equal(made.data.author.data.id, ann.id);
}
await api.post('comment', { body: 'x', article: { data: { id: '1', type: 'articles' } } });

const titles = found => found.data.map(each => each.title);
assert.deepEqual(titles(await api.get('articles')), ['b', 'a', 'c']);
const page = await api.get('articles', { params: { sort: '-views', page: { number: 1, size: 2 } } });
assert.deepEqual(titles(page), ['b', 'c']);
assert.equal(page.meta.total, 3);
assert.match(page.links.next, /page%5Bnumber%5D=2/);
assert.deepEqual(titles(await api.get('articles', { params: { page: { offset: 2, limit: 2 } } })), ['c']);
assert.deepEqual(titles(await api.get('articles', { params: { filter: { title: 'a,b' } } })), ['b', 'a']);
assert.deepEqual(titles(await api.get('articles', { params: { filter: { views: { gt: 1 } } } })), ['b', 'c']);
assert.deepEqual(titles(await api.get('articles', { params: { filter: { 'author.name': 'Ann' } } })).length, 3);

const one = await api.get('articles/1', { params: { include: 'author,comments', fields: { authors: 'name' } } });
assert.equal(one.data.author.data.name, 'Ann');
assert.equal(one.data.author.data.born, undefined);
assert.equal(one.data.comments.data[0].body, 'x');
assert.equal((await api.get('articles/1/author')).data.name, 'Ann');
assert.equal((await api.get('articles/1/relationships/comments')).data[0].id, '1');

const changed = await api.patch('article', { id: '1', title: 'B' });
assert.deepEqual([changed.status, changed.data.title, changed.data.views], [200, 'B', 3]);
await api.patch('article', { id: '1', author: { data: null } });
assert.equal((await api.get('articles/1/author')).data, null);

// What is in camelCase becomes kebab-case in paths, and stays so in types.
const entry = await api.post('libraryEntries', { id: 'own-id', status: 'done' });
assert.deepEqual([entry.data.id, entry.data.type], ['own-id', 'library-entries']);
assert.equal((await api.get('libraryEntries/own-id')).data.status, 'done');
assert.equal((await api.patch('libraryEntries', { id: 'own-id', status: 'new' })).data.status, 'new');

assert.equal((await failing(api.get('articles/99'), 404)).status, '404');
assert.deepEqual((await failing(api.get('articles', { params: { sort: 'nope' } }), 400)).source, { parameter: 'sort' });
const gone = { data: { id: '99', type: 'authors' } };
const missing = await failing(api.post('article', { title: 'x', author: gone }), 404);
assert.deepEqual(missing.source, { pointer: '/data/relationships/author/data' });
await failing(api.post('libraryEntries', { id: 'own-id' }), 409);

// It sends a document with DELETE.
assert.equal((await api.delete('articles', '1')).status, 204);
await failing(api.delete('articles', '1'), 404);
await failing(api.delete('articles', ['2', '3']), 405);
assert.deepEqual(titles(await api.get('articles')), ['a', 'c']);
console.log(`${dialect}: kitsu does all that it is asked`);
