"""fastnn behind the faces of other libraries; each module needs the library it speaks to."""
