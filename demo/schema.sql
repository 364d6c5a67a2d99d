-- An ordinary table, and a trigger that tells the customer's browsers about each new order.

CREATE EXTENSION socketio_emitter SCHEMA public;

CREATE TABLE orders (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint      NOT NULL,
    item        text        NOT NULL,
    quantity    integer     NOT NULL DEFAULT 1 CHECK (quantity > 0),
    ordered_at  timestamptz NOT NULL DEFAULT now()
);

-- SECURITY DEFINER: whoever may insert an order causes this event, and needs no right to send others. Such a
-- function fixes its search_path, or its callers could put their own operators in the way.
CREATE FUNCTION emit_order() RETURNS trigger
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM sio_emit('/', ARRAY['customer:' || NEW.customer_id], 'order', to_jsonb(NEW));
    RETURN NULL; -- ignored, as the row is stored already
END;
$$;

-- Triggers fire all the same; but nobody else may hang the function on a table of their own.
REVOKE EXECUTE ON FUNCTION emit_order() FROM PUBLIC;

CREATE TRIGGER emit_order
    AFTER INSERT ON orders
    FOR EACH ROW EXECUTE FUNCTION emit_order();
