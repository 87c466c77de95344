// Prices a shopping cart: quantity discounts, a coupon, tax by category. `$args` is frozen input.
const taxRates = { food: 0.07, book: 0.07, other: 0.19 };
const round = (amount) => Math.round(amount * 100) / 100;

const lines = $args.items.map(({ name, price, quantity, category = 'other' }) => {
  const discount = quantity >= 10 ? 0.1 : quantity >= 5 ? 0.05 : 0;
  const net = price * quantity * (1 - discount);
  return { name, quantity, net: round(net), tax: round(net * taxRates[category]) };
});

const net = lines.reduce((sum, line) => sum + line.net, 0);
const coupon = $args.coupon === 'WELCOME' ? round(net * 0.05) : 0;
if (coupon > 0) $log('coupon', $args.coupon, 'takes off', coupon);

const tax = lines.reduce((sum, line) => sum + line.tax, 0);
return { customer: $args.customer, lines, net: round(net), coupon, tax: round(tax), total: round(net - coupon + tax) };
