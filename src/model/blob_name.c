#include "model/blob_name.h"
#include "model/fault.h"

static enum err refuse(struct why *why, const char *rule)
{
    return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why, "blobName: %s", rule);
}

static size_t characters(struct str text)
{
    size_t count = 0;
    for (; text.len > 0; count++)
        text = str_skip(text, str_utf8_len(text));
    return count;
}

/* C0, DEL, C1. */
static bool has_control(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < ' ' || c == 0x7F)
            return true;
        if (c == 0xC2 && i + 1 < text.len && (unsigned char)text.ptr[i + 1] < 0xA0)
            return true;
    }
    return false;
}

static enum err check_segments(struct str name, struct why *why)
{
    char file[BLOB_FILE_NAME_MAX + 1];
    struct str rest = name, segment;
    size_t count = 1; /* the device's */
    for (bool more = true; more;) {
        more = str_cut(rest, '/', &segment, &rest);
        if (segment.len == 0)
            return refuse(why, "no slash at an end, and no two in a row: write 'a/b.txt'");
        if (str_eq(segment, STR(".")) || str_eq(segment, STR("..")))
            return refuse(why, "no part may be '.' or '..': write the path without them");
        if (segment.ptr[segment.len - 1] == '.')
            return refuse(why,
                          "no part may end with a dot: put an extension behind it, or drop it");
        if (!blob_file_name(segment, file))
            return refuse(why, "a part between slashes is longer than 255 bytes: shorten it");
        if (++count > BLOB_SEGMENTS_MAX)
            return refuse(why, "more than 254 parts between slashes: use fewer folders");
    }
    return ERR_OK;
}

enum err blob_name_check(struct str device_id, struct str name, struct why *why)
{
    char file[BLOB_FILE_NAME_MAX + 1];
    if (name.len == 0)
        return refuse(why, "it is missing or empty: give the file a name");
    if (!str_is_utf8(name))
        return refuse(why, "it is not UTF-8");
    if (has_control(name))
        return refuse(why, "it holds a control character: use printable ones");
    if (characters(name) + 1 + device_id.len > BLOB_NAME_MAX)
        return refuse(
            why, "with the device's id and a slash it is longer than 1024 characters: shorten it");
    if (!blob_file_name(device_id, file))
        return refuse(why, "the device's id cannot be the name of a folder: it holds too many '%'");
    return check_segments(name, why);
}

bool blob_file_name(struct str segment, char out[BLOB_FILE_NAME_MAX + 1])
{
    static const char digits[] = "0123456789ABCDEF";
    size_t length = 0;
    for (size_t i = 0; i < segment.len; i++) {
        unsigned char c = (unsigned char)segment.ptr[i];
        bool escape = c == '%' || c == '\\' || c == '/' || c == 0 || (c == '.' && i == 0);
        if (length + (escape ? 3 : 1) > BLOB_FILE_NAME_MAX)
            return false;
        if (escape) {
            out[length++] = '%';
            out[length++] = digits[c >> 4];
            out[length++] = digits[c & 15];
        } else {
            out[length++] = (char)c;
        }
    }
    out[length] = '\0';
    return length > 0;
}
