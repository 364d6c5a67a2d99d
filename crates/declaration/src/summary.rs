pub struct Summary<'a> { pub name: Option<&'a str>, pub ns: &'a str, pub rooms: Vec<&'a str>, pub event: &'a str, pub payload: &'a str, pub old: &'a str, pub columns: Option<Vec<String>>, pub except_columns: Option<Vec<String>>, pub left_event: Option<&'a str>, pub batch: Option<i32> }
impl<'a> Summary<'a> { pub fn read(_: impl IntoIterator<Item = &'a str>) -> Self { todo!() } }
