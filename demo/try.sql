-- a new order of customer 1
INSERT INTO orders (customer_id, item) VALUES (1, 'Coffee mug');

-- changed
UPDATE orders SET quantity = 2, status = 'paid' WHERE item = 'Coffee mug';

-- gone
DELETE FROM orders WHERE item = 'Fountain pen';

-- a photo, which travels as binary
\set mug `base64 -w 0 photos/mug.png`
UPDATE orders SET photo = decode(:'mug', 'base64') WHERE item = 'Coffee mug';

-- moved to the other customer: out of one list, into the other
UPDATE orders SET customer_id = 2 WHERE item = 'Coffee mug';

-- of no customer: nobody hears of it
INSERT INTO orders (item) VALUES ('Secret gift');

-- all at once: one event for each customer
UPDATE orders SET status = 'shipped' WHERE status = 'paid';
