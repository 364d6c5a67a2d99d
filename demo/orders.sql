-- What is ordered already when the demo begins.

\set lamp `base64 -w 0 photos/lamp.png`
\set book `base64 -w 0 photos/book.png`
\set plant `base64 -w 0 photos/plant.png`
\set clock `base64 -w 0 photos/clock.png`

-- A thousand of the same, for changes of many rows.
INSERT INTO orders (customer_id, item) SELECT 1 + n % 2, 'Postcard' FROM generate_series(1, 1000) n;

INSERT INTO orders (customer_id, item, quantity, status, photo) VALUES
    (1, 'Desk lamp',      1, 'shipped', decode(:'lamp', 'base64')),
    (2, 'Notebook',       3, 'shipped', decode(:'book', 'base64')),
    (1, 'Pencils',       12, 'shipped', NULL),
    (2, 'House plant',    1, 'paid',    decode(:'plant', 'base64')),
    (1, 'Fountain pen',   1, 'new',     NULL),
    (2, 'Envelopes',     50, 'new',     NULL),
    (1, 'Wall clock',     1, 'paid',    decode(:'clock', 'base64')),
    (1, 'Letter paper', 100, 'new',     NULL),
    (2, 'Stamps',        50, 'paid',    NULL),
    (1, 'Ink, blue',      2, 'paid',    NULL);
