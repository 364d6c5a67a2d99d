//! Being written.
pub fn register() {}
pub fn wake_at_commit() {}
pub fn request() {}
pub struct Status {
    pub state: State,
    pub pid: Option<i32>,
    pub last_error: Option<(String, i64)>,
}
pub struct State;
impl State {
    pub fn name(&self) -> &'static str {
        "not preloaded"
    }
}
pub fn status() -> Status {
    Status {
        state: State,
        pid: None,
        last_error: None,
    }
}

pub fn will_deliver() -> bool {
    false
}

pub fn incarnation() -> Option<i64> {
    None
}
