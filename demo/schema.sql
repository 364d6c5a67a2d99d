-- A table whose changes arrive in its customers' browsers. But for one call, it is an ordinary one.

CREATE EXTENSION socketio_emitter SCHEMA public;

CREATE TABLE orders (
    id          bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint, -- NULL: of no customer, and no browser hears of it
    item        text    NOT NULL,
    quantity    integer NOT NULL DEFAULT 1 CHECK (quantity > 0),
    status      text    NOT NULL DEFAULT 'new',
    photo       bytea,
    has_photo   boolean GENERATED ALWAYS AS (photo IS NOT NULL) STORED
);

-- Statement level: a bulk change is one event for each customer, its argument an array of their rows.
SELECT sio_watch('orders',
    rooms => '{customer:$customer_id}', event => 'order:$op', left_event => 'order:left',
    except_columns => '{photo}', level => 'statement');

-- Photos travel as bytes, not as text in JSON, and only when they are new to the customer. As the watch's events do, this one names
-- its transaction.
--
-- SECURITY DEFINER: whoever may change an order causes this event, and needs no right to send others. Such a
-- function fixes its search_path, or its callers could put their own operators in the way.
CREATE FUNCTION emit_photo() RETURNS trigger
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM sio_emit('/', ARRAY['customer:' || NEW.customer_id], 'order:photo',
                     jsonb_build_object('id', NEW.id, 'photo', sio_buffer(0), 'xid', pg_current_xact_id()::text),
                     binaries => ARRAY[NEW.photo]);
    RETURN NULL; -- ignored, as the row is stored already
END;
$$;

-- Triggers fire all the same; but nobody else may hang the function on a table of their own.
REVOKE EXECUTE ON FUNCTION emit_photo() FROM PUBLIC;

CREATE TRIGGER emit_photo
    AFTER INSERT OR UPDATE OF photo, customer_id ON orders
    FOR EACH ROW
    WHEN (NEW.has_photo AND NEW.customer_id IS NOT NULL) -- a NULL in the list of rooms would be an error
    EXECUTE FUNCTION emit_photo();
