from tests.sources import let_steps_be_imported

let_steps_be_imported()
