const numbers = [];
let seed = 1;
for (let i = 0; i < 200000; i++) {
  seed = (seed * 1103515245 + 12345) & 0x7fffffff;
  numbers.push(seed);
}
numbers.sort((a, b) => a - b);
return numbers[1000];
