const map = new Map();
for (let i = 0; i < 15000; i++) map.set('key' + i, { id: i, tags: ['a', 'b', i], nested: { value: i * 2 } });
let total = 0;
for (const [key, item] of map) total += key.length + item.nested.value;
const copy = JSON.parse(JSON.stringify([...map.values()]));
return total + copy.length;
