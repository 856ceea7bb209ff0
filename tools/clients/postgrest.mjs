// postgrest-js against a service: node postgrest.mjs PACKAGE URL SESSION DIALECT
import assert from 'node:assert/strict';

const [name, url, session, dialect] = process.argv.slice(2);
const { PostgrestClient } = await import(name);
const client = new PostgrestClient(url, { headers: { 'X-Session-ID': session, 'X-Dialect': dialect } });
let count = 0;
const equal = (found, wanted, what) => {
    assert.deepEqual(found, wanted, what);
    count += 1;
};
const data = async (query, status = 200) => {
    const reply = await query;
    assert.equal(reply.error, null, JSON.stringify(reply.error));
    equal(reply.status, status);
    return reply.data;
};
const error = async (query, status, code) => {
    const reply = await query;
    equal([reply.status, reply.error?.code], [status, code], JSON.stringify(reply));
    return reply.error;
};
const ids = async query => (await data(query)).map(each => each.id);

// insert
equal(await data(client.from('directors').insert([{ name: 'Scott' }, { name: 'Gilliam' }]), 201), null);
const films = [
    { title: 'Alien', year: 1979, seen: true, tags: ['sf', 'ship'], director_id: 1 },
    { title: 'Brazil', year: 1985, seen: false, tags: ['sf'], director_id: 2 },
    { title: 'Casa, "blanca"', year: null, director_id: null },
];
equal((await data(client.from('films').insert(films).select('id,title'), 201)).map(each => each.id), [1, 2, 3]);
equal((await data(client.from('reviews').insert({ film_id: 1, stars: 5 }).select().single(), 201)).stars, 5);
await data(client.from('reviews').insert([{ film_id: 1 }, { film_id: 2, stars: 2 }], { defaultToNull: false }), 201);
await error(client.from('films').insert({ id: 1, title: 'again' }), 409, '23505');

// filters
const from = columns => client.from('films').select(columns ?? '*').order('id');
equal(await ids(from().eq('title', 'Alien')), [1]);
equal(await ids(from().neq('title', 'Alien')), [2, 3]);
equal(await ids(from().gt('year', 1979)), [2]);
equal(await ids(from().gte('year', 1979).lt('year', 1985)), [1]);
equal(await ids(from().lte('year', 1985)), [1, 2]);
equal(await ids(from().like('title', 'A%')), [1]);
equal(await ids(from().ilike('title', '%LI%')), [1]);
equal(await ids(from().likeAnyOf('title', ['A%', 'B%'])), [1, 2]);
equal(await ids(from().likeAllOf('title', ['A%', '%n'])), [1]);
equal(await ids(from().ilikeAnyOf('title', ['a%'])), [1]);
equal(await ids(from().is('year', null)), [3]);
equal(await ids(from().is('seen', true)), [1]);
equal(await ids(from().in('title', ['Alien', 'Casa, "blanca"'])), [1, 3]);
equal(await ids(from().notIn('id', [1, 2])), [3]);
equal(await ids(from().contains('tags', ['sf', 'ship'])), [1]);
equal(await ids(from().overlaps('tags', ['ship', 'boat'])), [1]);
equal(await ids(from().match({ title: 'Brazil', year: 1985 })), [2]);
equal(await ids(from().regexIMatch('title', '^alien$')), [1]);
equal(await ids(from().isDistinct('year', 1985)), [1, 3]);
equal(await ids(from().not('year', 'is', null)), [1, 2]);
equal(await ids(from().or('year.is.null,and(year.gte.1980,seen.is.false)')), [2, 3]);
equal(await ids(from().filter('title', 'eq', 'Brazil')), [2]);
equal(await ids(from('id,reviews()').or('stars.gt.4', { referencedTable: 'reviews' })), [1, 2, 3]);
await error(from().textSearch('title', 'alien'), 400, 'PGRST100');
await error(from().rangeGt('year', '[1,2)'), 400, 'PGRST100');
await error(from().eq('nothing', 1), 400, '42703');

// order, page, projection
equal(await ids(client.from('films').select().order('year', { ascending: false })), [3, 2, 1]);
equal(await ids(client.from('films').select().order('year', { ascending: false, nullsFirst: false })), [2, 1, 3]);
equal(await ids(from().limit(2)), [1, 2]);
equal(await ids(from().range(1, 2)), [2, 3]);
equal(await data(from('name:title, year::text').eq('id', 1)), [{ name: 'Alien', year: '1979' }]);
const counted = await client.from('films').select('*', { count: 'exact' }).range(0, 1);
equal([counted.status, counted.count, counted.data.length], [206, 3, 2]);
const headed = await client.from('films').select('*', { count: 'exact', head: true });
equal([headed.status, headed.count, headed.data], [200, 3, null]);
await error(client.from('films').select('*', { count: 'exact' }).range(50, 60), 416, 'PGRST103');

// one row
equal((await data(client.from('films').select().eq('id', 1).single())).title, 'Alien');
equal(await data(client.from('films').select().eq('id', 99).maybeSingle()), null);
equal((await data(client.from('films').select().eq('id', 2).maybeSingle())).id, 2);
await error(client.from('films').select().single(), 406, 'PGRST116');

// embeds
equal(await data(from('id,directors(name)').lt('id', 2)), [{ id: 1, directors: { name: 'Scott' } }]);
equal(await data(from('id,...directors(by:name)').eq('id', 2)), [{ id: 2, by: 'Gilliam' }]);
equal(await ids(from('id,reviews!inner(stars)').gt('reviews.stars', 1)), [1, 2]);
const nested = client.from('directors').select('name,films(title,reviews(stars))').eq('id', 1).single();
equal(await data(nested), { name: 'Scott', films: [{ title: 'Alien', reviews: [{ stars: 5 }, { stars: null }] }] });
const ordered = from('reviews(id)').eq('id', 1).order('id', { referencedTable: 'reviews', ascending: false });
equal(await data(ordered.limit(1, { referencedTable: 'reviews' })), [{ reviews: [{ id: 2 }] }]);
await error(from('*,planets(*)'), 400, 'PGRST200');

// upsert, update, delete
const merged = client.from('films').upsert([{ id: 1, year: 1980 }, { id: 9, year: 1 }]).select('id,title,year');
equal(await data(merged, 201), [{ id: 1, title: 'Alien', year: 1980 }, { id: 9, title: null, year: 1 }]);
const passed = client.from('films').upsert({ id: 1, year: 7 }, { ignoreDuplicates: true }).select();
equal(await data(passed, 201), []);
equal((await data(client.from('directors').upsert({ name: 'Scott', born: 1937 }, { onConflict: 'name' }).select()))[0].id, 1);
equal(await data(client.from('films').update({ year: 2 }).eq('id', 9), 204), null);
equal((await data(client.from('films').update({ year: 3 }).eq('id', 9).select().single())).year, 3);
const several = await client.from('films').update({ seen: null }, { count: 'exact' }).gt('id', 0);
equal([several.status, several.count], [204, 4]);
await error(client.from('films').delete().gt('id', 0).maxAffected(1), 400, 'PGRST124');
await error(client.from('films').delete(), 400, '21000');
await error(client.from('films').update({ a: 1 }), 400, '21000');
equal((await data(client.from('films').delete().eq('id', 9).select())).length, 1);
equal(await data(client.from('films').delete().in('id', [1, 2]), 204), null);
equal(await ids(client.from('films').select()), [3]);
await error(client.from('planets').select(), 404, 'PGRST205');
await data(client.from('films').insert({ title: 'undone' }).rollback(), 201);
equal(await ids(client.from('films').select()), [3]);
equal((await data(client.from('films').select('id').csv())).trim(), 'id\n3');
console.log(`${name}: ${count} answers as expected`);
