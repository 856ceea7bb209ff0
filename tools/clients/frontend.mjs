// json-server's own front end and the examples of its README, as a page asks: node frontend.mjs NAME URL SESSION DIALECT
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';

const [, url, session, dialect] = process.argv.slice(2);
const said = { 'X-Session-ID': session, 'X-Dialect': dialect };
const ask = (path, options = {}) => fetch(new URL(path, `${url}/`), {
    ...options,
    headers: { ...said, ...options.headers },
});
const read = async path => {
    const reply = await ask(path);
    assert.ok(reply.ok, `${path}: ${reply.status}`);
    return reply.json();
};
const send = async (method, path, body) => {
    const reply = await ask(path, {
        method, body: body && JSON.stringify(body), headers: body ? { 'Content-Type': 'application/json' } : {},
    });
    return [reply.status, await reply.json()];
};
const ids = found => found.map(each => each.id);

if (dialect === 'json-server') {
    // README, "Getting started".
    await send('POST', 'posts', { id: 1, title: 'json-server', author: { name: 'typicode' }, views: 100 });
    await send('POST', 'posts', { id: 2, title: 'second', author: { name: 'al' }, views: 15 });
    await send('POST', 'comments', { id: 1, body: 'some comment', postId: 1, votes: 2 });
    await send('PUT', 'profile', { name: 'typicode' });
    assert.equal((await read('posts/1')).title, 'json-server');
    // "Routes": each line of the README.
    for (const [path, wanted] of Object.entries({
        'posts?title=json-server&author.name=typicode': [1], 'posts?id=1&id=2': [1, 2], 'posts?_page=7': [],
        'posts?_page=7&_limit=20': [], 'posts?_sort=views&_order=asc': [2, 1], 'posts?_start=20&_end=30': [],
        'posts/1/comments?_sort=votes&_order=asc': [1], 'posts/1/comments?_start=0&_limit=10': [1],
        'posts?_sort=author.name,views&_order=desc,asc': [1, 2], 'posts?views_gte=10&views_lte=20': [2],
        'posts?id_ne=1': [2], 'posts?title_like=server': [1], 'posts?q=second': [2], 'posts/1/comments': [1],
    })) assert.deepEqual(ids(await read(path)), wanted, path);
    assert.equal((await read('posts?_embed=comments'))[0].comments.length, 1);
    assert.equal((await read('posts/1?_embed=comments')).comments.length, 1);
    assert.equal((await read('comments?_expand=post'))[0].post.id, 1);
    assert.equal((await read('comments/1?_expand=post')).post.id, 1);
    assert.deepEqual(await send('PATCH', 'profile', { a: 1 }), [200, { name: 'typicode', a: 1 }]);
    // The page that it has at /: its own script, with the little of a browser that it uses.
    const page = Object.fromEntries(['resources', 'custom-routes'].map(id => [id, { innerHTML: '' }]));
    const fetching = [];
    const window = { fetch: path => { const reply = ask(path); fetching.push(reply); return reply; } };
    const script = readFileSync('node_modules/json-server/public/script.js', 'utf8');
    runInNewContext(script, { window, document: { getElementById: id => page[id] }, Object, Array });
    await Promise.all(fetching);
    while (!page.resources.innerHTML) await new Promise(done => setImmediate(done));
    assert.match(page.resources.innerHTML, /<a href="posts">\/posts<\/a>\s*<sup>2x<\/sup>/);
    assert.match(page.resources.innerHTML, /<a href="profile">\/profile<\/a>\s*<sup>object<\/sup>/);
} else {
    const [, one] = await send('POST', 'posts', { title: 'Hello world', views: 100, author: { name: 'typicode' } });
    const [, two] = await send('POST', 'posts', { title: 'another title', views: 200, author: { name: 'al' } });
    const [, note] = await send('POST', 'comments', { text: 'a comment', postId: one.id });
    await send('PUT', 'profile', { name: 'typicode' });
    // "Query params": each line of the README.
    for (const [path, wanted] of Object.entries({
        'posts?views:gt=100': [two.id], 'posts?title:eq=Hello': [], [`posts?id:in=${one.id},2,3`]: [one.id],
        'posts?author.name:eq=typicode': [one.id], 'posts?title:contains=hello': [one.id],
        'posts?title:startsWith=Hello': [one.id], 'posts?title:endsWith=world': [one.id],
        'posts?_sort=title': [one.id, two.id], 'posts?_sort=-views': [two.id, one.id],
        'posts?_sort=author.name,-views': [two.id, one.id],
        'posts?_where={"or":[{"views":{"gt":100}},{"author":{"name":{"lt":"m"}}}]}': [two.id],
    })) assert.deepEqual(ids(await read(path)), wanted, path);
    const whole = await read('posts?_page=1&_per_page=25');
    assert.deepEqual([whole.first, whole.prev, whole.next, whole.last, whole.pages, whole.items], [1, null, null, 1, 1, 2]);
    assert.equal((await read('posts?_embed=comments'))[0].comments[0].id, note.id);
    assert.equal((await read('comments?_embed=post'))[0].post.id, one.id);
    assert.equal((await send('DELETE', `posts/${one.id}?_dependent=comments`))[0], 200);
    assert.deepEqual(await read('comments'), []);
}
console.log(`${dialect}: the examples of its README answer as it says`);
