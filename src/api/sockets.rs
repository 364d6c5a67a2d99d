//! Commands about clients' sockets.

use crate::api::params;
use crate::delivery;
use crate::error::Error;
use crate::payload::{Argument, Context};
use crate::pg::call::datum::{Text, TextArray};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use socketio_emitter_protocol::{Action, Target};
use std::borrow::Cow;
use std::ffi::CStr;

/// Makes the sockets in any of `rooms`, except those in `except_rooms`, join `join_rooms`.
///
/// `rooms => '{}'` means every socket of the namespace. A parameter or an array element that is NULL raises 22004.
#[pg_extern(volatile, parallel_unsafe)]
fn sio_sockets_join<'a>(
    ns: Option<Text<'a>>,
    rooms: Option<TextArray<'a>>,
    join_rooms: Option<TextArray<'a>>,
    except_rooms: default!(Option<TextArray<'a>>, "'{}'"),
) -> Result<(), ErrorReport> {
    let sockets = Sockets::new(ns, rooms, except_rooms)?;
    let rooms = params::rooms(join_rooms, "join_rooms")?;
    Ok(
        sockets.send(c"sio_sockets_join()", |target| Action::SocketsJoin {
            target,
            rooms: &rooms,
        })?,
    )
}

/// Makes the sockets leave `leave_rooms`; otherwise like [`sio_sockets_join`].
#[pg_extern(volatile, parallel_unsafe)]
fn sio_sockets_leave<'a>(
    ns: Option<Text<'a>>,
    rooms: Option<TextArray<'a>>,
    leave_rooms: Option<TextArray<'a>>,
    except_rooms: default!(Option<TextArray<'a>>, "'{}'"),
) -> Result<(), ErrorReport> {
    let sockets = Sockets::new(ns, rooms, except_rooms)?;
    let rooms = params::rooms(leave_rooms, "leave_rooms")?;
    Ok(
        sockets.send(c"sio_sockets_leave()", |target| Action::SocketsLeave {
            target,
            rooms: &rooms,
        })?,
    )
}

/// Disconnects the sockets from the namespace; with `close`, also closes the underlying connection.
#[pg_extern(volatile, parallel_unsafe)]
fn sio_disconnect_sockets<'a>(
    ns: Option<Text<'a>>,
    rooms: Option<TextArray<'a>>,
    close: default!(Option<bool>, "false"),
    except_rooms: default!(Option<TextArray<'a>>, "'{}'"),
) -> Result<(), ErrorReport> {
    let sockets = Sockets::new(ns, rooms, except_rooms)?;
    let close = params::required(close, "close")?;
    Ok(sockets.send(c"sio_disconnect_sockets()", |target| {
        Action::DisconnectSockets { target, close }
    })?)
}

/// Whom a command is about.
struct Sockets<'a> {
    namespace: Cow<'a, str>,
    rooms: Vec<Cow<'a, str>>,
    except: Vec<Cow<'a, str>>,
}

impl<'a> Sockets<'a> {
    fn new(
        ns: Option<Text<'a>>,
        rooms: Option<TextArray<'a>>,
        except_rooms: Option<TextArray<'a>>,
    ) -> Result<Self, Error> {
        Ok(Self {
            namespace: params::namespace(ns)?,
            rooms: params::target_rooms(rooms)?,
            except: params::rooms(except_rooms, "except_rooms")?,
        })
    }

    fn send<'m>(
        &'m self,
        function: &CStr,
        action: impl FnOnce(Target<'m>) -> Action<'m, Argument<'m>>,
    ) -> Result<(), Error> {
        let target = Target {
            rooms: &self.rooms,
            except: &self.except,
        };
        delivery::send(
            function,
            &self.namespace,
            action(target),
            &Context::new("rooms", []),
        )
    }
}
