//! Instructions that hold a value themselves.

use super::TorchFileError;
use super::cursor::Cursor;
use super::instruction::*;
use super::values::Value;

/// The value of an instruction that depends on no other, or none for other instructions.
pub(super) fn constant<'a>(
    instruction: u8,
    cursor: &mut Cursor<'a>,
) -> Result<Option<Value<'a>>, TorchFileError> {
    let value = match instruction {
        NONE => Value::None,
        NEWTRUE | NEWFALSE => Value::Bool,
        EMPTY_LIST => Value::List(Vec::new()),
        EMPTY_TUPLE => Value::Tuple(Vec::new()),
        EMPTY_DICT => Value::Dictionary(Vec::new()),
        EMPTY_SET => Value::Skipped,
        FLOAT => {
            cursor.line()?;
            Value::Skipped
        }
        BINFLOAT => {
            cursor.take(8)?;
            Value::Skipped
        }
        INT | LONG | BININT | BININT1 | BININT2 | LONG1 | LONG4 => integer(instruction, cursor)?,
        STRING | UNICODE => line_of_text(cursor)?,
        _ => return text(instruction, cursor),
    };
    Ok(Some(value))
}

fn integer<'a>(instruction: u8, cursor: &mut Cursor<'a>) -> Result<Value<'a>, TorchFileError> {
    let value: i64 = match instruction {
        BININT => i32::from_le_bytes(cursor.array()?).into(),
        BININT1 => cursor.byte()?.into(),
        BININT2 => u16::from_le_bytes(cursor.array()?).into(),
        LONG1 => {
            let length = cursor.byte()?;
            return Ok(long(cursor.take(length.into())?));
        }
        LONG4 => {
            let length = i32::from_le_bytes(cursor.array()?);
            let length = usize::try_from(length).map_err(|_| cursor.wrong("has a length below zero"))?;
            return Ok(long(cursor.take(length)?));
        }
        _ => return line_of_digits(cursor),
    };
    Ok(Value::Integer(value))
}

/// An integer in the fewest bytes of two's complement.
fn long(bytes: &[u8]) -> Value<'_> {
    let Some(sign) = bytes.last() else {
        return Value::Integer(0);
    };
    if bytes.len() > 8 {
        return Value::LongInteger(bytes);
    }
    let mut filled = [if *sign < 0x80 { 0 } else { 0xff }; 8];
    filled[..bytes.len()].copy_from_slice(bytes);
    Value::Integer(i64::from_le_bytes(filled))
}

fn line_of_digits<'a>(cursor: &mut Cursor<'a>) -> Result<Value<'a>, TorchFileError> {
    let line = cursor.line()?;
    let digits = line.strip_suffix(b"L").unwrap_or(line);
    let number: Option<i64> = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok());
    match (line, number) {
        (b"00" | b"01", _) => Ok(Value::Bool),
        (_, Some(number)) => Ok(Value::Integer(number)),
        _ => Err(cursor.wrong("has an integer that is none")),
    }
}

/// Text in a line of its own; what is escaped in it is not needed.
fn line_of_text<'a>(cursor: &mut Cursor<'a>) -> Result<Value<'a>, TorchFileError> {
    let line = cursor.line()?;
    let inner = [b'\'', b'"'].iter().find_map(|quote| {
        let rest = line.strip_prefix(std::slice::from_ref(quote))?;
        rest.strip_suffix(std::slice::from_ref(quote))
    });
    let inner = inner.unwrap_or(line);
    Ok(match inner.contains(&b'\\') {
        true => Value::Skipped,
        false => text_of(inner),
    })
}

fn text<'a>(instruction: u8, cursor: &mut Cursor<'a>) -> Result<Option<Value<'a>>, TorchFileError> {
    let length = match instruction {
        SHORT_BINSTRING | SHORT_BINUNICODE | SHORT_BINBYTES => u64::from(cursor.byte()?),
        BINUNICODE | BINBYTES => u64::from(u32::from_le_bytes(cursor.array()?)),
        BINUNICODE8 | BINBYTES8 | BYTEARRAY8 => u64::from_le_bytes(cursor.array()?),
        BINSTRING => {
            let length = i32::from_le_bytes(cursor.array()?);
            u64::try_from(length).map_err(|_| cursor.wrong("has a length below zero"))?
        }
        _ => return Ok(None),
    };
    Ok(Some(text_of(cursor.take_long(length)?)))
}

/// Text of Python 3, and bytes, which are what Python 2 calls text.
fn text_of(bytes: &[u8]) -> Value<'_> {
    std::str::from_utf8(bytes).map_or(Value::Skipped, Value::Text)
}
